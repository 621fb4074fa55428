"""A grpc.aio server on one address, with the limits of the gateway."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio

from edge.model.settings import Limits

STREAM_WINDOW = 512 * 1024
"""The bytes that a caller may send ahead on a stream, so the most that an upstream that does not read makes us hold."""

WAITING_CALLS = 16_384
"""The calls that may wait for Python, over all connections: those of sixteen callers who all come at once."""


class ListenError(Exception):
    """An address could not be bound; the text says which and why."""


class GrpcServer:
    """A server that is bound before it serves, so that a taken port shows before anything is started.

    Args:
        address: Host and port, or `unix:/path`. Port 0 takes a free one.
        limits: The limits of the gateway.
        proxied: Whether messages are checked by the proxy, which needs a margin above its limit.
        compression_level: How much work is put into compressing messages, 1 to 3; 0 for none. grpc chooses an algorithm
            that the caller accepts.
    """

    def __init__(self, address: str, limits: Limits, *, proxied: bool, compression_level: int = 0) -> None:
        waiting = max(WAITING_CALLS, limits.max_concurrent_streams)
        options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", limits.message_ceiling if proxied else limits.max_message_bytes),
            ("grpc.max_send_message_length", -1),
            # equal, because between the two grpc refuses at random
            ("grpc.max_metadata_size", limits.max_metadata_bytes),
            ("grpc.absolute_max_metadata_size", limits.max_metadata_bytes),
            ("grpc.max_concurrent_streams", limits.max_concurrent_streams),
            # grpc would open the windows as it sees fit, to several MB for each stream whose upstream does not read
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.lookahead_bytes", STREAM_WINDOW),
            # it refuses streams below max_concurrent_streams when many come at once
            ("grpc.http.overload_protection", 0),
            # equal again: from 1,000 waiting calls on it would refuse some at random, below what a caller may have open
            ("grpc.server.max_pending_requests", waiting),
            ("grpc.server.max_pending_requests_hard_limit", waiting),
            # a second gateway on the same port is a mistake that would go unseen
            ("grpc.so_reuseport", 0),
            ("grpc.max_connection_age_grace_ms", _milliseconds(limits.connection_grace)),
        ]
        if compression_level:
            options.append(("grpc.default_compression_level", compression_level))
        if limits.max_connection_age is not None:
            options.append(("grpc.max_connection_age_ms", _milliseconds(limits.max_connection_age)))
        if limits.max_connection_idle is not None:
            options.append(("grpc.max_connection_idle_ms", _milliseconds(limits.max_connection_idle)))
        self.server = grpc.aio.server(options=options)
        self.address = _bind(self.server, address)

    async def start(self) -> None:
        """Take calls."""
        await self.server.start()

    async def stop(self, grace: float) -> None:
        """Send GOAWAY, wait up to `grace` seconds for the calls under way, end those that are left."""
        await self.server.stop(grace)


def _bind(server: grpc.aio.Server, address: str) -> str:
    """Bind and return the address with the real port.

    Raises:
        ListenError: the address is taken or not ours.
    """
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ListenError(
            f"cannot listen on {address}: it is in use by another process, or not an address of this machine"
        ) from error
    if address.startswith("unix:"):
        return address
    host = address.rpartition(":")[0]
    return f"{host}:{port}"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
