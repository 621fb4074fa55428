"""Checks of single values. Each returns the value for the model and notes in the scope what is wrong with it."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable
from typing import Final

from google.protobuf.duration_pb2 import Duration

from edge.control.conversion.scope import Scope
from edge.model.addresses import address_problem, is_host, is_ipv6

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
        if not name.endswith("]") or not is_ipv6(name[1:-1]):
            scope.refuse(f"`{value}` is no IPv6 address in brackets without port, such as `[::1]`")
        return folded
    if is_host(name):
        return folded
    bare, colon, port = name.rpartition(":")
    if not name:
        scope.refuse("a host name is missing, as in `api.example.com`")
    elif not name.isascii():
        scope.refuse(
            f"`{value}` holds letters beyond ASCII; write the name as it is on the wire, as in `xn--bcher-kva.example`"
        )
    elif colon and is_host(bare) and port.isdigit():
        scope.refuse(f"`{value}` has a port; hosts are compared without port: write `{bare}`")
    elif "*" in name:
        scope.refuse(f"`{value}`: a `*` may only stand for whole labels in front, as in `*.example.com`")
    else:
        scope.refuse(f"`{value}` is no host name, such as `api.example.com`")
    return folded


def address(value: str, scope: Scope, *, any_port: bool = False) -> str:
    """Return `host:port`, `[v6]:port` or `unix:/path`. `any_port` allows port 0."""
    if problem := address_problem(value, any_port=any_port):
        scope.refuse(problem)
    return value


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
