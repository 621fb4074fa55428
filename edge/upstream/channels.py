"""The kept connections of one endpoint to grpc.aio.

A call makes no channel, no stub and no multicallable: each connection keeps one multicallable per method and shape. The
number of kept ones is bounded, because callers choose the method names; beyond it a multicallable is made for the call.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from edge import __version__
from edge.model.endpoint import Endpoint, EndpointState
from edge.model.errors import InvalidRequest, Violation
from edge.model.settings import Limits
from edge.model.upstreams import Compression, Upstream
from edge.tasks import Tasks
from edge.upstream.http_dial import tls_words
from edge.upstream.unary_call import UnaryMethod

_log = logging.getLogger(__name__)

MAX_KEPT_METHODS = 4096
"""Multicallables kept per connection and shape."""

STREAM_WINDOW = 512 * 1024
"""The bytes that an endpoint may send ahead on a stream, so the most that a caller who does not read makes us hold. One
stream carries at most this in a round trip: 50 MB/s at 10 ms. A message larger than it is let in all the same."""

USER_AGENT = f"edge/{__version__}"

_TLS_FAILURE = re.compile(r"SSL routines:OPENSSL_internal:(.*?)(: OK)?$")
"""What a handshake of grpc failed with, without what surrounds it."""

_COMPRESSION = {
    # grpc.aio hides whether a caller compressed, so that "as the caller" cannot be more than not at all here
    Compression.AS_CALLER: None,
    Compression.NONE: None,
    Compression.GZIP: grpc.Compression.Gzip,
    Compression.DEFLATE: grpc.Compression.Deflate,
}

Multicallable = Any
"""grpc.aio's multicallables, on bytes."""


class WireMetadata(grpc.aio.Metadata):
    """Metadata as it goes on the wire: pairs in their order, never looked up.

    grpc.aio's own class sorts the pairs into lists by name first, which costs time in every call and loses the order
    between names.
    """

    def __init__(self, pairs: Sequence[tuple[str, str | bytes]]) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[tuple[str, str | bytes]]:
        return iter(self._pairs)


class Connection:
    """One channel with its kept multicallables."""

    __slots__ = ("_streams", "_unaries", "channel", "failing", "made", "ready")

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.ready = False
        self.failing = False
        self.made = 0
        self._unaries: dict[str, UnaryMethod] = {}
        self._streams: dict[str, Multicallable] = {}

    def unary(self, method: str) -> UnaryMethod:
        """Return what makes calls of a unary method by its path."""
        kept = self._unaries.get(method)
        if kept is None:
            kept = UnaryMethod(self.channel, method)
            if len(self._unaries) < MAX_KEPT_METHODS:
                self._unaries[method] = kept
        return kept

    def stream(self, method: str) -> Multicallable:
        """Return the multicallable of a method of any shape by its path."""
        kept = self._streams.get(method)
        if kept is None:
            kept = self.channel.stream_stream(method)
            if len(self._streams) < MAX_KEPT_METHODS:
                self._streams[method] = kept
        return kept


class Channels:
    """The connections of one endpoint; its `carrier`.

    Args:
        upstream: How to connect.
        address: Host and port, or `unix:/path`.
        limits: The limits of the gateway.
        tls: What `credentials` returned for the upstream.
    """

    __slots__ = ("_next", "connections")

    def __init__(self, upstream: Upstream, address: str, limits: Limits, tls: grpc.ChannelCredentials | None) -> None:
        self.connections = tuple(
            Connection(_channel(upstream, address, limits, index, tls))
            for index in range(upstream.connection.connections_per_endpoint)
        )
        self._next = 0

    def connection(self) -> Connection:
        """Return the connection for the next call: in turn, those that fail left out while others do not."""
        connections = self.connections
        count = len(connections)
        if count == 1:
            return connections[0]
        for _ in range(count):
            self._next = (self._next + 1) % count
            if not connections[self._next].failing:
                break
        else:
            self._next = (self._next + 1) % count
        return connections[self._next]

    @property
    def made(self) -> int:
        """How often a connection was made: after each time the endpoint may be another program."""
        return sum(connection.made for connection in self.connections)

    async def close(self) -> None:
        """Close every connection. Calls under way are cancelled."""
        for connection in self.connections:
            await connection.channel.close(None)

    def watch(self, endpoint: Endpoint, changed: Callable[[], None], tasks: Tasks, *, connect: bool) -> None:
        """Keep the state of `endpoint` by its connections until `tasks` is closed.

        Args:
            endpoint: Whose carrier this is.
            changed: Called when the state or its reason is another, and when a connection was made.
            tasks: The owner of the watching tasks.
            connect: Whether to connect at once and not at the first call.
        """
        for connection in self.connections:
            tasks.spawn(
                self._watch(endpoint, connection, changed, connect=connect), name=f"watch endpoint {endpoint.address}"
            )

    async def _watch(
        self, endpoint: Endpoint, connection: Connection, changed: Callable[[], None], *, connect: bool
    ) -> None:
        channel = connection.channel
        state = channel.get_state(try_to_connect=connect)
        while state is not grpc.ChannelConnectivity.SHUTDOWN:
            connection.ready = state is grpc.ChannelConnectivity.READY
            connection.made += connection.ready  # each time anew: READY ends when the connection does
            # an attempt to connect again changes nothing before it has worked
            failed = state is grpc.ChannelConnectivity.TRANSIENT_FAILURE
            connection.failing = failed or (connection.failing and not connection.ready)
            if await self._update(endpoint, connection, state) or connection.ready:
                changed()
            await channel.wait_for_state_change(state)
            # asking for the state connects again at once after a connection was lost: the next call then finds it made,
            # or the endpoint out of the choice
            state = channel.get_state(try_to_connect=True)

    async def _update(self, endpoint: Endpoint, connection: Connection, state: grpc.ChannelConnectivity) -> bool:
        """Enter the state that follows from the connections; return whether it or its reason is another."""
        if any(other.ready for other in self.connections):
            return endpoint.enter(EndpointState.ACTIVE)
        if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            reason = await _why(connection.channel)
            if any(other.ready for other in self.connections):
                return endpoint.enter(EndpointState.ACTIVE)
            if connection.channel.get_state() is grpc.ChannelConnectivity.READY:
                return False  # it came back meanwhile; the next turn of the watch says so
            before = endpoint.state
            entered = endpoint.enter(EndpointState.UNHEALTHY, reason)
            if endpoint.state is EndpointState.UNHEALTHY is not before:
                _log.warning("endpoint %s: %s", endpoint.address, reason)
            return entered
        # IDLE and CONNECTING say nothing new: an endpoint that failed is out until it is READY, one that was up is
        # connected again, and its calls wait for that
        return False


async def _why(channel: grpc.aio.Channel) -> str:
    """Return why a channel cannot connect, in words.

    grpc.aio tells nobody but a call that fails for it. While the channel is in TRANSIENT_FAILURE a call fails at once
    and never leaves the process; should the channel connect in between, the endpoint gets one health check.
    """
    try:
        probe: Multicallable = channel.unary_unary("/grpc.health.v1.Health/Check")
        await probe(b"", timeout=1.0)
    except grpc.aio.AioRpcError as error:
        text = error.details() or ""
        if error.code() is grpc.StatusCode.UNAVAILABLE and text:
            return f"cannot be reached: {connect_error(text)}"
    return "cannot be reached"


def connect_error(details: str) -> str:
    """Return the last error in grpc's text about a connection that could not be made, without what surrounds it.

    `… last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: connect: Connection refused (111)`
    becomes `Connection refused`.
    """
    text = details.rsplit("last error:", 1)[-1].strip()
    text = text.rsplit("Failed to connect to remote host:", 1)[-1].strip()
    text = re.sub(r"^(?:[A-Z]+: )?(?:ipv[46]|unix):\S+: ", "", text)
    if "Hostname Verification Check failed" in text:
        return "its certificate is not accepted: it is for another name"
    if found := _TLS_FAILURE.search(text):
        failed, _, why = found[1].partition("CERTIFICATE_VERIFY_FAILED: ")
        return tls_words(failed) if not why else f"its certificate is not accepted: {why}"
    return re.sub(r"^(UNKNOWN|UNAVAILABLE|INTERNAL|connect):\s*|\s*\(\d+\)$", "", text) or details


def _channel(
    upstream: Upstream, address: str, limits: Limits, index: int, tls: grpc.ChannelCredentials | None
) -> grpc.aio.Channel:
    connection = upstream.connection
    options: list[tuple[str, Any]] = [
        ("grpc.primary_user_agent", USER_AGENT),
        ("grpc.max_receive_message_length", limits.message_ceiling),
        ("grpc.max_send_message_length", -1),
        # equal, because between the two grpc refuses at random
        ("grpc.max_metadata_size", limits.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", limits.max_metadata_bytes),
        # each channel has a connection of its own; the index keeps channels of one endpoint apart
        ("grpc.use_local_subchannel_pool", 1),
        ("edge.connection", index),
        ("grpc.service_config_disable_resolution", 1),
        # grpc would open the windows further as it sees fit, to several MB for each stream whose caller does not read
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", STREAM_WINDOW),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", max(100, round(connection.max_backoff * 1000))),
        # by grpc's naming the least time between attempts, in effect the time one attempt may take
        ("grpc.min_reconnect_backoff_ms", max(1, round(connection.connect_timeout * 1000))),
    ]
    if connection.keepalive_time is not None:
        options += [
            ("grpc.keepalive_time_ms", max(1, round(connection.keepalive_time * 1000))),
            ("grpc.keepalive_timeout_ms", max(1, round(connection.keepalive_timeout * 1000))),
            # without it a ping to a peer that is frozen is waited for much longer
            ("grpc.http2.ping_timeout_ms", max(1, round(connection.keepalive_timeout * 1000))),
        ]
    if upstream.authority:
        options.append(("grpc.default_authority", upstream.authority))
    compression = _COMPRESSION[upstream.compression]
    if upstream.tls is None or tls is None:
        return grpc.aio.insecure_channel(address, options=options, compression=compression)
    if upstream.tls.server_name:
        options.append(("grpc.ssl_target_name_override", upstream.tls.server_name))
    return grpc.aio.secure_channel(address, tls, options=options, compression=compression)


def credentials(upstream: Upstream) -> grpc.ChannelCredentials | None:
    """Read the TLS files of an upstream. None is for clear text.

    Raises:
        InvalidRequest: a file cannot be read.
    """
    tls = upstream.tls
    if tls is None:
        return None
    contents: dict[str, bytes | None] = {"ca_file": None, "key_file": None, "cert_file": None}
    for field in contents:
        path: str = getattr(tls, field)
        try:
            contents[field] = Path(path).read_bytes() if path else None
        except OSError as error:
            problem = Violation(f"{upstream.name}.tls.{field}", f"the file cannot be read: {error.strerror}")
            raise InvalidRequest.of([problem]) from error
    return grpc.ssl_channel_credentials(contents["ca_file"], contents["key_file"], contents["cert_file"])
