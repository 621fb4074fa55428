"""Listening sockets: bound exclusively, with errors that say which address and why."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from edge.listeners.grpc_server import ListenError

_BACKLOG = 1024


def unix_path(address: str) -> str:
    """Return the path of `unix:path` or `unix:///path`, or the empty text for any other address."""
    if not address.startswith("unix:"):
        return ""
    path = address[len("unix:") :]
    return path[2:] if path.startswith("//") else path


async def listen(address: str, *, reuse_port: bool = False) -> tuple[list[socket.socket], str]:
    """Return listening sockets for an address, and the address with the real port.

    The kernel holds whoever connects until somebody accepts.

    Args:
        address: Host and port, or `unix:/path`. Port 0 takes a free one.
        reuse_port: Whether other processes of the same user that ask for it too may listen to the same port
            (SO_REUSEPORT); the kernel then deals the connections out. Unix sockets do not have it.

    Raises:
        ListenError: the address is taken, not ours, or no address at all.
    """
    if path := unix_path(address):
        return [await _listen_unix(address, path)], address
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ListenError(f"cannot listen on {address}: it is not host:port (port 0 to 65535) or unix:/path")
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
    except OSError:
        found = []
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    real_port = int(port)
    for family, kind, protocol, _, place in dict.fromkeys(found):
        try:
            # the addresses of one name share the port the first one got
            sockets.append(_listen_tcp(family, kind, protocol, (place[0], real_port, *place[2:]), reuse_port))
            real_port = sockets[0].getsockname()[1]
        except OSError as error:
            failure = error
            if error.errno == errno.EADDRINUSE:
                break
    if not sockets or (failure is not None and failure.errno == errno.EADDRINUSE):
        for bound in sockets:
            bound.close()
        raise ListenError(_refusal(address, failure)) from failure
    return sockets, f"{host}:{real_port}"


def _listen_tcp(family: int, kind: int, protocol: int, place: tuple[str | int, ...], reuse_port: bool) -> socket.socket:
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setblocking(False)
        # so that a restart does not wait for old connections; two that listen still cannot share an address on Linux
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # `[::]` takes IPv4 as well, as grpc does
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(place[0] != "::"))
        bound.bind(place)
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


async def _listen_unix(address: str, path: str) -> socket.socket:
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode) and not await _somebody_listens(path):
            os.unlink(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        bound.bind(path)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise ListenError(_refusal(address, error)) from error
    return bound


async def _somebody_listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(probe, path)
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
    return True


def unlink_socket(path: str, inode: int) -> None:
    """Remove the file of a unix socket unless another process has put its own there."""
    with suppress(OSError):
        if Path(path).stat().st_ino == inode:
            os.unlink(path)


def _refusal(address: str, error: OSError | None) -> str:
    if error is None:
        return f"cannot listen on {address}: its host is not known"
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {address}: it is in use by another process"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {address}: it is not an address of this machine"
    return f"cannot listen on {address}: {error.strerror or error}"
