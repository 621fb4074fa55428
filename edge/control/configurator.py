"""Changes the configuration: all of it is checked and compiled before any of it is kept or put in force."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from edge.control.changes import changes
from edge.control.conversion.gather import gather
from edge.control.conversion.scope import NOWHERE, Locate, Places
from edge.control.conversion.server import in_file, read_server
from edge.control.conversion.whole import Conversion, Converter, reads_files
from edge.control.drafts import Draft, State, declare, in_store_already, kept, merged, stamp
from edge.control.kinds import KINDS
from edge.control.resources import NO_RESOURCES, Resources
from edge.control.store import RevisionConflict, Store, StoredRevision
from edge.model.config import Configuration
from edge.model.errors import GatewayError, InvalidRequest
from edge.model.resource_errors import EtagMismatch
from edge.model.runtime import Runtime
from edge.model.settings import ServerSettings
from edge.model.snapshot import Snapshot
from edge.tasks import Tasks
from gateway.v1 import config_pb2

_log = logging.getLogger(__name__)

_ATTEMPTS = 5
"""How often a change is tried again when another gateway changes the same store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    """What the configuration file declares."""

    resources: Resources = NO_RESOURCES
    places: Places = NOWHERE
    settings: ServerSettings | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """A change that is known to be good, and is not in force yet."""

    state: State
    conversion: Conversion
    stored: StoredRevision | None = None
    snapshot: Snapshot | None = None


class Configurator:
    """Owns the configuration. Changes happen one after the other; reading never waits.

    `set_declared` has to be called once before anything else, with an empty configuration when there is no file.

    Args:
        runtime: Compiles configurations and puts them in force.
        store: Keeps what the API makes.
        clock: Seconds since the epoch.
    """

    def __init__(self, runtime: Runtime, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self.last_error: tuple[str, float] | None = None
        """Why the latest configuration file was refused, when in seconds since the epoch; None when it was taken."""
        self._runtime = runtime
        self._store = store
        self._clock = clock
        self._lock = asyncio.Lock()
        self._tasks = Tasks()
        self._converter = Converter()
        self._declared = _Declared()
        self._state = State()

    @property
    def state(self) -> State:
        """The resources in force and their revision."""
        return self._state

    @property
    def resources(self) -> Resources:
        """The resources in force."""
        return self._state.resources

    def users(self, name: str, resources: Resources) -> list[str]:
        """Return the sorted names of the resources of a set that name this one."""
        return self._converter.users(name, resources)

    def note_refused(self, message: str) -> None:
        """Note why a configuration file was refused. For one that could not even be read; others note themselves."""
        self.last_error = (message, self._clock())

    async def close(self) -> None:
        """Wait for the change under way; those that wait behind it are dropped."""
        async with self._lock:
            await self._tasks.close()

    async def commit(
        self, change: Callable[[Resources], Draft], *, validate_only: bool, author: str, summary: str
    ) -> State:
        """Change the resources as one, or change nothing.

        Once begun the change is finished, also when whoever asked for it goes away.

        Args:
            change: Returns what the resources are to be, or raises a GatewayError. May be called again when another
                gateway has changed the store in between.
            validate_only: Whether to do everything but keep the result and put it in force.
            author: Who asks for the change.
            summary: What is done, as in `UpdateRoute routes/checkout`.

        Returns:
            The state now in force or, with `validate_only`, the one that would be.

        Raises:
            InvalidRequest: the result would be wrong.
            DeclaredInFile: a resource of the file would change.
        """
        return await self._unbroken(
            lambda: self._commit(change, validate_only=validate_only, author=author, summary=summary),
            summary,
        )

    async def set_declared(self, config: config_pb2.GatewayConfig, locate: Locate | None = None) -> State:
        """Take the resources of a configuration file in place of those of the file before.

        Everything else in the file is checked too; a change of it is logged, since it needs a restart.

        Args:
            config: What the file holds.
            locate: Finds a field path in the file.

        Raises:
            InvalidRequest: something in it is wrong. The old configuration stays, and `last_error` says why.
        """
        return await self._unbroken(lambda: self._set_declared(config, locate), "the configuration file")

    async def reread(self, name: str, *, author: str, summary: str) -> State:
        """Read the files a resource names again, and put what is in them in force.

        Raises:
            InvalidRequest: what is in them now is wrong. The old contents stay in force.
        """

        async def reread() -> State:
            latest = await self._store.current()
            draft = Draft(resources=self._merged(latest.resources), places=self._declared.places)
            return await self._enforce(self._plan(latest, draft, fresh={name}, author=author, summary=summary))

        return await self._unbroken(reread, summary)

    async def _unbroken(self, work: Callable[[], Coroutine[Any, Any, State]], name: str) -> State:
        """Do the work alone and to its end, even if the caller is cancelled."""

        async def outcome() -> State | Exception:
            async with self._lock:
                try:
                    return await work()
                except Exception as error:
                    return error

        result: State | Exception = await asyncio.shield(self._tasks.spawn(outcome(), name=f"configuration: {name}"))
        if isinstance(result, Exception):
            raise result
        return result

    async def _commit(
        self, change: Callable[[Resources], Draft], *, validate_only: bool, author: str, summary: str
    ) -> State:
        for _ in range(_ATTEMPTS):
            latest = await self._store.current()
            before = self._merged(latest.resources)
            draft = change(before)
            draft = replace(
                draft,
                resources=stamp(before, draft.resources, now=self._clock()),
                places=replace(draft.places, others=self._declared.places),
            )
            plan = self._plan(latest, draft, author=author, summary=summary)
            if validate_only:
                return plan.state
            try:
                return await self._enforce(plan)
            except RevisionConflict:
                _log.info("the store has a newer revision than %d; trying again: %s", latest.number, summary)
        raise EtagMismatch("others keep changing the configuration; try again")

    async def _set_declared(self, config: config_pb2.GatewayConfig, locate: Locate | None) -> State:
        old = self._declared
        try:
            settings, violations = read_server(config, locate)
            gathered = gather(config)
            violations += in_file(gathered.problems, locate)
            places = Places(prefixes=gathered.prefixes, locate=locate)
            latest = await self._store.current()
            violations += in_store_already(gathered.prefixes, latest.resources, locate)
            listed = declare(
                gathered.resources,
                before=old.resources,
                prefixes=gathered.prefixes,
                locate=locate,
                now=self._clock(),
            )
            self._declared = _Declared(resources=listed, places=places, settings=settings)
            draft = Draft(resources=self._merged(latest.resources), places=places, violations=tuple(violations))
            fresh = {message.name for message in draft.resources if reads_files(message)}
            plan = self._plan(latest, draft, fresh=fresh, author="", summary="read the configuration file")
            state = await self._enforce(plan)
        except Exception as error:
            self._declared = old
            self.note_refused(error.message if isinstance(error, GatewayError) else "something unexpected; see the log")
            raise
        self.last_error = None
        if old.settings is not None and old.settings != settings:
            _log.warning("server, store and observability changed in the configuration file; that needs a restart")
        return state

    def _plan(
        self,
        latest: StoredRevision,
        draft: Draft,
        *,
        author: str,
        summary: str,
        fresh: AbstractSet[str] = frozenset(),
    ) -> _Plan:
        """Convert and compile. Without a difference there is nothing to put in force.

        `fresh` are the resources to convert anew although they did not change.
        """
        current, resources = self._state, draft.resources
        revision = max(latest.number, current.revision) + 1
        conversion = self._converter.convert(
            resources, revision=revision, places=draft.places, violations=draft.violations, fresh=fresh
        )
        different = changes(current.resources, resources)
        if not different and current.revision == latest.number and self._in_force(conversion.configuration):
            return _Plan(State(resources=resources, revision=current.revision, time=current.time), conversion)
        try:
            snapshot = self._runtime.compile(conversion.configuration)
        except InvalidRequest as error:
            if not error.violations:
                raise
            raise InvalidRequest.of(map(draft.places.replace, error.violations)) from error
        now = self._clock()
        stored = StoredRevision(
            number=revision,
            resources=kept(latest.resources, current.resources, resources, different),
            author=author,
            summary=summary,
            changes=different,
            time=now,
        )
        state = State(resources=resources, revision=revision, time=now, changes=different)
        return _Plan(state, conversion, stored, snapshot)

    def _merged(self, stored: Resources) -> Resources:
        return merged(self._state.resources, stored, self._declared.resources)

    def _in_force(self, configuration: Configuration) -> bool:
        """Whether a configuration of equal resources is in force; files they read may have changed."""
        now = self._runtime.snapshot.value.configuration
        return self._state.revision > 0 and all(
            getattr(now, collection) == getattr(configuration, collection) for collection in KINDS
        )

    async def _enforce(self, plan: _Plan) -> State:
        if plan.stored is not None and plan.snapshot is not None:
            await self._store.commit(plan.stored)
            await self._runtime.warm(plan.snapshot)
            self._runtime.publish(plan.snapshot)
        self._converter.keep(plan.conversion)
        self._state = plan.state
        return plan.state
