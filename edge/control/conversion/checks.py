"""Checks of single values. Each returns the value for the model and notes in the scope what is wrong with it."""

from __future__ import annotations

import binascii
import ipaddress
import re
from base64 import b64decode
from collections.abc import Iterable
from typing import Final

from google.protobuf.duration_pb2 import Duration

from edge.control.conversion.scope import Scope

LONGEST: Final = 365 * 86400.0
"""The longest duration in seconds that is taken."""

SHORTEST: Final = 0.001
"""The shortest duration in seconds that is taken, but for zero where zero means something."""

LARGEST_MESSAGE: Final = 2**31 - 1
"""The most bytes a gRPC library can be told as a limit."""

TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
"""A header name in lower case (RFC 9110, 5.6.2)."""

VISIBLE = re.compile(r"[\x20-\x7e]*")
"""The characters of a metadata value (gRPC over HTTP/2, ASCII-Value)."""

CONNECTION_HEADERS: Final = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that belong to the connection or the protocol (RFC 9110, 7.6.1), which no policy may change."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PORT = re.compile(r"[0-9]{1,5}")
_LONGEST_SOCKET_PATH = 107  # sun_path of Linux without the final NUL


def seconds(duration: Duration, scope: Scope, *, least: float = SHORTEST, most: float = LONGEST) -> float:
    """Return a duration in seconds, within `least` and `most`."""
    value = duration.seconds + duration.nanos / 1e9
    if abs(duration.nanos) > 999_999_999 or duration.seconds * duration.nanos < 0:
        scope.refuse("is no duration: seconds and nanos have to have the same sign, and nanos to be under a second")
        return least
    if value <= 0 < least:
        scope.refuse(f"has to be longer than 0, and is {_words(value)}")
    elif value < least:
        scope.refuse(f"has to be at least {_words(least)}, and is {_words(value)}")
    elif value > most:
        scope.refuse(f"may be at most {_words(most)}, and is {_words(value)}")
    return value


def _words(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".") + "s"


def message_size(value: int, scope: Scope) -> int:
    """Return a limit of message sizes in bytes."""
    if value > LARGEST_MESSAGE:
        scope.refuse(f"may be at most {LARGEST_MESSAGE}")
    return value


def host(value: str, scope: Scope, *, wildcard: bool = False) -> str:
    """Return a host name in lower case, without port. `wildcard` allows `*.` in front."""
    folded = value.lower()
    name = folded[2:] if wildcard and folded.startswith("*.") else folded
    if name.startswith("["):
        if not name.endswith("]") or not _is_ipv6(name[1:-1]):
            scope.refuse(f"`{value}` is no IPv6 address in brackets without port, such as `[::1]`")
        return folded
    if _is_host(name):
        return folded
    bare, colon, port = name.rpartition(":")
    if not name:
        scope.refuse("a host name is missing, as in `api.example.com`")
    elif not name.isascii():
        scope.refuse(
            f"`{value}` holds letters beyond ASCII; write the name as it is on the wire, as in `xn--bcher-kva.example`"
        )
    elif colon and _is_host(bare) and port.isdigit():
        scope.refuse(f"`{value}` has a port; hosts are compared without port: write `{bare}`")
    elif "*" in name:
        scope.refuse(f"`{value}`: a `*` may only stand for whole labels in front, as in `*.example.com`")
    else:
        scope.refuse(f"`{value}` is no host name, such as `api.example.com`")
    return folded


def address(value: str, scope: Scope, *, any_port: bool = False) -> str:
    """Return `host:port`, `[v6]:port` or `unix:/path`. `any_port` allows port 0."""
    problem = _unix_problem(value[5:]) if value.startswith("unix:") else _address_problem(value, 0 if any_port else 1)
    if problem:
        scope.refuse(problem)
    return value


def _unix_problem(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        return "the path of a unix socket has to begin with `/`, as in `unix:/run/app.sock`"
    if len(path.encode()) > _LONGEST_SOCKET_PATH:
        return f"the path of a unix socket may have at most {_LONGEST_SOCKET_PATH} bytes"
    return ""


def _address_problem(value: str, least_port: int) -> str:
    if not value:
        return "an address is missing, as in `10.0.0.1:50051` or `unix:/run/app.sock`"
    name, colon, port = value.rpartition(":")
    if _is_ipv6(value) or (":" in name and not name.startswith("[")):
        return f"`{value}`: an IPv6 address goes in brackets, as in `[::1]:50051`"
    if not colon or (value.startswith("[") and not name.endswith("]")):
        return f"`{value}` has no port; write it as in `{value}:50051`"
    if not name:
        return f"`{value}` has no host; write `0.0.0.0{value}` for every address or `127.0.0.1{value}` for this machine"
    if not (_is_ipv6(name[1:-1]) if name.startswith("[") else _is_host(name.lower())):
        return f"`{name}` is no host name and no IP address"
    if not _PORT.fullmatch(port) or not least_port <= int(port) <= 65535:
        return f"`{port}` is no port, which is a number from {least_port} to 65535"
    return ""


def _is_host(name: str) -> bool:
    if len(name) > 253 or not _HOST.fullmatch(name):
        return False
    if re.fullmatch(r"[0-9.]+", name):
        try:
            ipaddress.IPv4Address(name)
        except ValueError:
            return False
    return True


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def header_name(value: str, scope: Scope) -> str:
    """Return the name of a header in lower case."""
    folded = value.lower()
    if not folded:
        scope.refuse("a header name is missing")
    elif folded.startswith(":"):
        scope.refuse(f"`{value}` is part of the request line and no header; match hosts, paths and verbs instead")
    elif not TOKEN.fullmatch(folded):
        scope.refuse(f"`{value}` is no header name: letters, digits and !#$%&'*+-.^_`|~ are allowed")
    return folded


def changeable_header(value: str, scope: Scope) -> str:
    """Return the name of a header a policy may change, in lower case."""
    folded = value.lower()
    if folded.startswith("grpc-"):
        scope.refuse(f"`{value}`: names that begin with `grpc-` belong to the protocol and cannot be changed")
    elif folded.startswith(":"):
        scope.refuse(f"`{value}`: names that begin with `:` belong to the protocol and cannot be changed")
    elif folded in CONNECTION_HEADERS:
        scope.refuse(f"`{value}` belongs to the connection and cannot be changed")
    else:
        return header_name(value, scope)
    return folded


def header_value(name: str, value: str, scope: Scope) -> str | bytes:
    """Return a value for metadata; that of a `-bin` name is given in base64. The value is never quoted."""
    if name.endswith("-bin"):
        try:
            return b64decode(value + "=" * (-len(value) % 4), validate=True)
        except (binascii.Error, ValueError):
            scope.refuse("the value of a `-bin` entry has to be in base64")
            return b""
    if not VISIBLE.fullmatch(value):
        scope.refuse(
            "the value may hold visible ASCII characters and spaces only; use a `-bin` name and base64 for others"
        )
    elif value != value.strip():
        scope.refuse("the value may not begin or end with a space")
    return value


def no_repeats(values: Iterable[tuple[str, Scope]]) -> None:
    """Refuse each value that was there before."""
    seen: dict[str, str] = {}
    for value, scope in values:
        if value in seen:
            scope.refuse(f"`{value}` is in {seen[value]} already")
        else:
            seen[value] = scope.path
