"""Making connections to gRPC endpoints for the wire engine: names, sockets, TLS with ALPN."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from itertools import chain, zip_longest
from typing import Any, TypeVar

from edge.model.upstreams import Upstream
from edge.tasks import Tasks

STAGGER = 0.25
"""Seconds an address has before the next one is tried beside it (RFC 8305 section 8)."""

LOCAL = "localhost"
"""What stands for the host of a unix socket, as with grpc.aio."""

Address = tuple[Any, ...]
Found = tuple[socket.AddressFamily, int, Address]
P = TypeVar("P", bound=asyncio.BaseProtocol)


class NotHttp2Error(ConnectionError):
    """There is an endpoint, and it does not speak HTTP/2. The message says what it does instead."""


def authority_of(upstream: Upstream, address: str) -> str:
    """Return the `:authority` of requests to an endpoint, which is what grpc.aio sends.

    Args:
        upstream: How to connect.
        address: Host and port, or `unix:/path`.
    """
    # a name that the certificate has to be for is the one the endpoint knows itself by
    server_name = upstream.tls.server_name if upstream.tls is not None else ""
    return upstream.authority or server_name or (LOCAL if address.startswith("unix:") else address)


async def dial(upstream: Upstream, address: str, tls: ssl.SSLContext | None, make: Callable[[], P]) -> P:
    """Make a connection. A name that has several addresses is tried at all of them, the next one soon beside the last.

    Args:
        upstream: How to connect.
        address: Host and port, or `unix:/path`.
        tls: What `tls_context` returned for the upstream with the protocol `h2`. None is for clear text.
        make: Makes the connection's protocol.

    Raises:
        OSError: it cannot be made; `edge.upstream.http_dial.connect_words` says why.
        ValueError: the host's name is none.
    """
    loop = asyncio.get_running_loop()
    server_name = upstream.tls.server_name if upstream.tls is not None else ""
    if address.startswith("unix:"):
        name = (server_name or LOCAL) if tls is not None else None
        path = address.removeprefix("unix:")
        _, protocol = await loop.create_unix_connection(make, path, ssl=tls, server_hostname=name)
        return protocol
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    found = await loop.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    made = await _first_of(_in_turn([(info[0], info[2], info[4]) for info in found]))
    name = (server_name or host) if tls is not None else None
    try:
        _, protocol = await loop.create_connection(make, sock=made, ssl=tls, server_hostname=name)
    except BaseException:
        made.close()
        raise
    return protocol


def _in_turn(found: list[Found]) -> list[Found]:
    """Order addresses so that the families take turns, the first one's first (RFC 8305 section 4)."""
    family = found[0][0]
    firsts = [one for one in found if one[0] == family]
    others = [one for one in found if one[0] != family]
    return [one for one in chain(*zip_longest(firsts, others)) if one is not None]


async def _first_of(found: list[Found]) -> socket.socket:
    """Return the first connection that is made to any of the addresses.

    uvloop has no `happy_eyeballs_delay`, so this is here (RFC 8305 section 5).

    Raises:
        OSError: none can be made.
    """
    connected: list[socket.socket] = []
    errors: list[OSError] = []

    async def attempt(family: socket.AddressFamily, proto: int, address: Address) -> None:
        sock = socket.socket(family, socket.SOCK_STREAM, proto)
        try:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, address)
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            errors.append(error)
        else:
            connected.append(sock)

    tasks = Tasks()
    winner: socket.socket | None = None
    left = found[::-1]
    under_way: set[asyncio.Task[Any]] = set()
    try:
        while winner is None and (left or under_way):
            if left:
                one = left.pop()
                under_way.add(tasks.spawn(attempt(*one), name=f"connect to {one[2][0]}"))
            _, under_way = await asyncio.wait(
                under_way, timeout=STAGGER if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            winner = connected[0] if connected else None
    finally:
        await tasks.close()
        for sock in connected:
            if sock is not winner:
                sock.close()
    if winner is None:
        raise errors[-1] if errors else OSError("no attempt to connect has ended")
    return winner
