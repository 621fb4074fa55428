"""What a check asks of whoever sends its probes, and the probes of HTTP and TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from edge.model.http import HeaderPairs
from edge.model.resilience import HttpProbe
from edge.model.upstreams import Upstream
from edge.tasks import Tasks
from edge.upstream.channels import USER_AGENT
from edge.upstream.grpc_dial import authority_of
from edge.upstream.health_services import Serving
from edge.upstream.http1 import BrokenAnswerError
from edge.upstream.http_answer import NoAnswerError
from edge.upstream.http_connection import HttpConnection
from edge.upstream.http_dial import ConnectFailedError, connect_words, dial
from edge.upstream.http_endpoint import HttpEndpoint

MOST_BODY = 64 * 1024
"""The bytes of an answer's body that are read so that its connection can be used again; a longer one costs it."""


class Hearer(Protocol):
    """Who hears what probes come to."""

    def passed(self) -> None:
        """A probe went well."""

    def failed(self, words: str) -> None:
        """A probe did not; `words` follow the address."""

    def heard(self, service: str, status: Serving, *, asked: bool) -> None:
        """The server says how a service is, as it was `asked` by a probe or of itself."""

    def answered(self) -> None:
        """The server is there; how it is, it has said already."""

    def mute(self) -> None:
        """The server does not offer a health service. It is there all the same."""


class Prober(Protocol):
    """Sends the probes of one endpoint."""

    def probe(self, *, again: bool) -> None:
        """Send a probe, beside others that were not answered when it does so `again`."""

    def abandon(self) -> None:
        """Wait no longer for those under way."""

    def ask(self, services: Sequence[str]) -> None:
        """Ask about these services from now on."""

    def anew(self) -> None:
        """The endpoint was connected anew: it may be another program."""

    async def close(self) -> None:
        """Stop."""


class PlainProber:
    """Probes that are a coroutine and know no services.

    Args:
        send: Sends one probe; returns what is wrong, in words that follow the address, or an empty text.
        hearer: Who hears of it.
    """

    def __init__(self, send: Callable[[], Awaitable[str]], hearer: Hearer) -> None:
        self._send = send
        self._hearer = hearer
        self._tasks = Tasks()
        self._under_way: set[asyncio.Task[None]] = set()

    def probe(self, *, again: bool) -> None:  # noqa: ARG002 - each is like the other
        """Send a probe."""
        task = self._tasks.spawn(self._probe(), name="health check")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _probe(self) -> None:
        words = await self._send()
        self._under_way.discard(asyncio.current_task())
        if words:
            self._hearer.failed(words)
        else:
            self._hearer.passed()

    def abandon(self) -> None:
        """Wait no longer."""
        for task in tuple(self._under_way):
            task.cancel()

    def ask(self, services: Sequence[str]) -> None:
        """Nothing: there are no services."""

    def anew(self) -> None:
        """Nothing: nothing is remembered."""

    async def close(self) -> None:
        """Stop."""
        await self._tasks.close()


def http_probe(
    probe: HttpProbe, carrier: HttpEndpoint, upstream: Upstream, address: str
) -> Callable[[], Awaitable[str]]:
    """Return what sends a GET over the endpoint's own connections. A redirect is an answer like any other.

    Args:
        probe: What to ask for, and which statuses are right.
        carrier: The endpoint.
        upstream: Its upstream, for TLS and the host.
        address: Its address.
    """
    headers: HeaderPairs = (
        ("host", authority_of(upstream, address)),
        ("user-agent", USER_AGENT),
        ("accept", "*/*"),
    )

    async def send() -> str:
        try:
            answer = await carrier.request("GET", probe.path, headers)
        except ConnectFailedError as error:
            return f"cannot be reached: {error}"
        except (NoAnswerError, BrokenAnswerError, OSError) as error:
            return f"does not answer health checks: {error}"
        try:
            status = answer.status
            left = MOST_BODY
            while left > 0 and (piece := await answer.read()):
                left -= len(piece)
        except (BrokenAnswerError, OSError) as error:
            return f"breaks off its answer to a health check: {error}"
        finally:
            answer.close()
        good = status in probe.statuses if probe.statuses else 200 <= status < 300
        return "" if good else f"answers health checks with {status}"

    return send


def tcp_probe(upstream: Upstream, address: str) -> Callable[[], Awaitable[str]]:
    """Return what makes a TCP connection and closes it. A stopped process looks well to it: the system connects."""

    async def send() -> str:
        try:
            connection = await dial(upstream, address, None, lambda: HttpConnection(lambda _: None))
        except (OSError, ValueError) as error:
            return f"cannot be reached: {connect_words(error)}"
        connection.abort()
        return ""

    return send
