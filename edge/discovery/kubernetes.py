"""Endpoints of a Kubernetes service, followed by list and watch of its EndpointSlices.

Everybody who follows the same service shares one watch. Changes are gathered for a moment, since a rollout changes many
slices at once. Whatever fails is told in the state and tried again; the endpoints that are known stay.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from edge.discovery.backoff import LEAST, MOST, backoff
from edge.discovery.base import Found
from edge.discovery.http_json import UnreachableError
from edge.discovery.kubernetes_api import GoneError, RefusedError, SliceApi, SliceSet
from edge.discovery.kubernetes_config import Access, AccessError, Credentials, load_access
from edge.discovery.kubernetes_slices import PortChoice, Slice, resolve
from edge.model.discovery import KubernetesDiscovery
from edge.model.snapshot import SourceState
from edge.model.watch import Watch
from edge.tasks import Tasks

DEBOUNCE: Final = 0.05
"""The seconds from a change until it is told, with all that come in between."""

STEADY: Final = 5.0
"""The seconds after which a watch that ends without an event counts as one that worked."""

WATCH_SECONDS: Final = (240, 360)
"""The least and most seconds of a watch, drawn so that those of many gateways do not end together."""

_TOO_SHORT = 3
"""The short watches in a row that are shown as a failure."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What a watch knows of its service."""

    slices: tuple[Slice, ...] | None = None
    """The slices. None until they have been listed."""

    state: SourceState = field(
        default_factory=lambda: SourceState(ok=False, error="the EndpointSlices have not been listed yet")
    )
    """How learning them goes."""


class ServiceWatch:
    """Follows the slices of one service. Nothing happens before `start`.

    Args:
        api: The conversation with the API server.
        draw: Returns a random number from 0 to 1.
        least: The seconds before the first try after a failure.
        most: The most seconds between two tries.
    """

    def __init__(
        self,
        api: SliceApi,
        *,
        draw: Callable[[], float] = random.random,
        least: float = LEAST,
        most: float = MOST,
    ) -> None:
        self.known: Watch[Known] = Watch(Known())
        """The latest slices and state."""
        self._api = api
        self._draw = draw
        self._least = least
        self._most = most
        self._set = SliceSet()
        self._failures = 0
        self._short = 0
        self._events = 0
        self._flush: asyncio.TimerHandle | None = None
        self._tasks = Tasks()

    def start(self) -> None:
        """Follow until this is closed."""
        self._tasks.spawn(self._follow(), name=f"Kubernetes discovery of {self._api.words}")

    async def close(self) -> None:
        """End that and close the connection."""
        if self._flush is not None:
            self._flush.cancel()
        await self._tasks.close()
        await self._api.close()

    async def _follow(self) -> None:
        while True:
            seconds = await self._try()
            await asyncio.sleep(seconds)

    async def _try(self) -> float:
        """List if need be, and watch until that ends. Return the seconds to wait before the next try."""
        clock = asyncio.get_running_loop().time
        began, self._events = clock(), 0
        why = ""
        try:
            if not self._set.version:
                self._set.replace(*await self._api.list_all())
                self._tell()
            low, high = WATCH_SECONDS
            seconds = low + round(self._draw() * (high - low))
            began = clock()
            why = await self._api.watch(self._set.version, seconds, self._agreed, self._take)
        except GoneError:
            self._set.version = ""
        except (AccessError, RefusedError, UnreachableError) as error:
            return self._failed(str(error), getattr(error, "retry_after", 0.0))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # what an API server sends has been checked by it: this is something else, or a version to come
            self._set.version = ""
            return self._failed(f"the API server sent what is no EndpointSlice ({type(error).__name__}: {error})")
        return self._ended(clock() - began, why)

    def _ended(self, lasted: float, why: str) -> float:
        """Note that a watch has ended without a refusal. Return the seconds to wait."""
        if self._events or lasted >= STEADY:
            self._short = 0
        self._short += 1
        if self._short >= _TOO_SHORT:
            return self._failed(why or "the API server ends each watch as soon as it has begun")
        # what ends as it should, or is gone, goes on at once; a connection that is lost is lost for many at a time
        return self._backoff(self._short) if why or self._short > 1 else 0.0

    def _failed(self, error: str, wait: float = 0.0) -> float:
        """Show what went wrong. Return the seconds to wait."""
        self._failures += 1
        state = self.known.value.state
        if state.error != error:
            _log.warning("Kubernetes %s: %s; the endpoints known before stay", self._api.words, error)
        self._tell(replace(state, ok=False, error=error, failures=self._failures))
        return max(wait, self._backoff(self._failures))

    def _backoff(self, failures: int) -> float:
        return backoff(failures, self._draw(), least=self._least, most=self._most)

    def _agreed(self) -> None:
        if self._short < _TOO_SHORT:
            self._works()

    def _works(self) -> None:
        if self._failures:
            _log.info("Kubernetes %s: watched again", self._api.words)
        self._failures = 0
        self._tell(SourceState(success_time=time.time()))

    def _take(self, event: Mapping[str, Any]) -> None:
        changed = self._set.apply(event)
        self._events += 1
        if self._failures:
            self._short = 0
            self._works()
        if changed and self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(DEBOUNCE, self._tell)

    def _tell(self, state: SourceState | None = None) -> None:
        """Tell the slices and the state as they are now."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        before = self.known.value
        slices = self._set.slices or (() if self._set.version else before.slices)
        # the same object as long as nothing has changed, so that nobody reads it again
        self.known.set(Known(before.slices if slices == before.slices else slices, state or before.state))


class ServiceWatches:
    """The watches there are, by what they follow.

    Args:
        load: Reads how to reach an API server, from a kubeconfig file and a context. It may block.
        least: The seconds before the first try after a failure.
        most: The most seconds between two tries.
    """

    def __init__(
        self, load: Callable[[str, str], Access] = load_access, *, least: float = LEAST, most: float = MOST
    ) -> None:
        self._load = load
        self._least = least
        self._most = most
        self._shared: dict[tuple[str, str, str, str], tuple[ServiceWatch, list[object]]] = {}

    def __len__(self) -> int:
        return len(self._shared)

    def take(self, discovery: KubernetesDiscovery, user: object) -> ServiceWatch:
        """Return the watch of a service, begun by its first user."""
        key = _key(discovery)
        if key not in self._shared:
            credentials = Credentials(lambda: self._load(discovery.kubeconfig, discovery.context))
            api = SliceApi(discovery.service, discovery.namespace, credentials)
            watch = ServiceWatch(api, least=self._least, most=self._most)
            self._shared[key] = watch, []
            watch.start()
        watch, users = self._shared[key]
        users.append(user)
        return watch

    async def give_back(self, discovery: KubernetesDiscovery, user: object) -> None:
        """End the use of a watch; that of its last user ends it."""
        key = _key(discovery)
        watch, users = self._shared[key]
        users.remove(user)
        if not users:
            del self._shared[key]
            await watch.close()


class KubernetesSource:
    """Tells the endpoints of a service.

    Args:
        discovery: Which service and port, and where.
        watches: The watches that are shared.
    """

    def __init__(self, discovery: KubernetesDiscovery, watches: ServiceWatches) -> None:
        self.found: Watch[Found] = Watch(Found(state=Known().state))
        self._discovery = discovery
        self._choice = PortChoice(discovery.port_name, discovery.port_number)
        self._watches = watches
        self._slices: tuple[Slice, ...] | None = None
        self._problem = ""
        self._end: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to follow the service."""
        if self._end is None:
            watch = self._watches.take(self._discovery, self)
            self._end = watch.known.listen(self._learn)
            self._learn(watch.known.value)

    async def close(self) -> None:
        """End that."""
        end, self._end = self._end, None
        if end is not None:
            end()
            await self._watches.give_back(self._discovery, self)

    def _learn(self, known: Known) -> None:
        before = self.found.value
        addresses = before.addresses
        if known.slices is not None and known.slices is not self._slices:
            self._slices = known.slices
            resolved = resolve(known.slices, self._choice)
            # None: which port is meant is not clear any more, and the endpoints serve at the one that was
            addresses = addresses if resolved.addresses is None else resolved.addresses
            problem = "; ".join(resolved.problems)
            if problem and problem != self._problem:
                _log.warning("Kubernetes service %s: %s", self._discovery.service, problem)
            self._problem = problem
        state = known.state
        if state.ok and self._problem:
            state = replace(state, ok=False, error=f"service {self._discovery.service}: {self._problem}")
        found = Found(addresses=addresses, state=state)
        if found != before:
            self.found.set(found)


def _key(discovery: KubernetesDiscovery) -> tuple[str, str, str, str]:
    return discovery.kubeconfig, discovery.context, discovery.namespace, discovery.service
