"""What an address of an endpoint may look like, and what is wrong with one that does not."""

from __future__ import annotations

import ipaddress
import re

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PORT = re.compile(r"[0-9]{1,5}")
_LONGEST_SOCKET_PATH = 107  # sun_path of Linux without the final NUL


def address_problem(value: str, *, any_port: bool = False) -> str:
    """Return what is wrong with `host:port`, `[v6]:port` or `unix:/path` and how to mend it, or an empty text.

    Args:
        value: The address.
        any_port: Whether port 0 will do, as it does where one listens.
    """
    if value.startswith("unix:"):
        return _unix_problem(value[5:])
    return _host_and_port_problem(value, 0 if any_port else 1)


def is_host(name: str) -> bool:
    """Whether this is a host name in lower case or an IPv4 address."""
    if len(name) > 253 or not _HOST.fullmatch(name):
        return False
    return is_ipv4(name) if re.fullmatch(r"[0-9.]+", name) else True


def is_ipv4(text: str) -> bool:
    """Whether this is an IPv4 address."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def is_ipv6(text: str) -> bool:
    """Whether this is an IPv6 address, without brackets."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _unix_problem(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        return "the path of a unix socket has to begin with `/`, as in `unix:/run/app.sock`"
    if len(path.encode()) > _LONGEST_SOCKET_PATH:
        return f"the path of a unix socket may have at most {_LONGEST_SOCKET_PATH} bytes"
    return ""


def _host_and_port_problem(value: str, least_port: int) -> str:
    if not value:
        return "an address is missing, as in `10.0.0.1:50051` or `unix:/run/app.sock`"
    name, colon, port = value.rpartition(":")
    if is_ipv6(value) or (":" in name and not name.startswith("[")):
        return f"`{value}`: an IPv6 address goes in brackets, as in `[::1]:50051`"
    if not colon or (value.startswith("[") and not name.endswith("]")):
        return f"`{value}` has no port; write it as in `{value}:50051`"
    if not name:
        return f"`{value}` has no host; write `0.0.0.0{value}` for every address or `127.0.0.1{value}` for this machine"
    if not (is_ipv6(name[1:-1]) if name.startswith("[") else is_host(name.lower())):
        return f"`{name}` is no host name and no IP address"
    if not _PORT.fullmatch(port) or not least_port <= int(port) <= 65535:
        return f"`{port}` is no port, which is a number from {least_port} to 65535"
    return ""
