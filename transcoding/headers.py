"""HTTP headers to gRPC metadata and back, and the deadline that a request's headers set.

Sources: gRPC doc/PROTOCOL-HTTP2.md (names, `-bin` values, grpc-timeout), Connect protocol (Connect-Timeout-Ms).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from urllib.parse import quote

from edge.model.call import MetadataPairs
from edge.model.errors import InvalidRequest, Violation
from edge.model.http import HeaderPairs, HttpRequest

_NOT_FORWARDED = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host"}
    | {"keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "upgrade"}
    | {
        "transfer-encoding",
        "http2-settings",
        "connect-protocol-version",
        "connect-timeout-ms",
        "connect-accept-encoding",
    }
    | {"connect-content-encoding", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"}
    | {"sec-websocket-protocol", "x-grpc-web"}
)
"""Headers of a request that belong to its connection, its body or its protocol. `user-agent` is none of them: routes
and policies see it as they do for native calls, and whoever calls the upstream writes its own."""

_NOT_RETURNED = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "keep-alive",
        "server",
        "te",
        "trailer",
    }
    | {"transfer-encoding", "upgrade"}
)
"""Metadata of an answer that would lie about the HTTP message it is in."""

_NAME = re.compile(r"[0-9a-z_.-]+")
_TEXT, _BINARY, _DROPPED = range(3)
_KINDS: dict[str, int] = {}
"""What becomes of a header by its name. Callers choose the names, so that only so many are kept; the others are looked
at each time."""
_MAX_KINDS = 1024
_LONGEST_KEPT = 64
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_DECIMAL = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,9})?")
_DEADLINES = ("grpc-timeout", "connect-timeout-ms", "x-server-timeout", "request-timeout")
_MILLISECONDS = re.compile(r"[0-9]{1,10}")


def to_metadata(headers: HeaderPairs) -> list[tuple[str, str | bytes]]:
    """Return the metadata for an upstream.

    Names and values that gRPC does not take are left out: they must not fail the call. A `-bin` value that is no base64
    is left out too.
    """
    result: list[tuple[str, str | bytes]] = []
    for pair in headers:
        name = pair[0]
        kind = _KINDS.get(name)
        if kind is None:
            kind = _kind(name)
        if kind == _TEXT:
            result.append(pair)
        elif kind == _BINARY:
            for part in pair[1].split(","):
                try:
                    result.append((name, decode_binary(part.strip())))
                except ValueError:  # no base64, or not even ASCII
                    continue
    return result


def request_metadata(request: HttpRequest) -> MetadataPairs:
    """Return the metadata of a request for an upstream: once for headers that come again. See `to_metadata`."""
    kept = request.kept
    if kept is None:
        return to_metadata(request.headers)
    found = kept.metadata
    if found is None:
        found = kept.metadata = tuple(to_metadata(kept.pairs))
    return found


def _kind(name: str) -> int:
    """Return what becomes of a header, and keep it."""
    if name in _NOT_FORWARDED or name.startswith(("grpc-", ":")) or not _NAME.fullmatch(name):
        kind = _DROPPED
    else:
        kind = _BINARY if name.endswith("-bin") else _TEXT
    if len(name) <= _LONGEST_KEPT and len(_KINDS) < _MAX_KINDS:
        _KINDS[name] = kind
    return kind


def plain_metadata(headers: HeaderPairs) -> list[tuple[str, str | bytes]]:
    """Return the headers of a request to a plain HTTP upstream: all of them; whoever forwards drops what it must."""
    return list(headers)


def host_name(authority: str) -> str:
    """Return the host of an authority in lower case, without the port."""
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].lower()


def decode_binary(text: str) -> bytes:
    """Return the bytes of a `-bin` value, with or without padding.

    Raises:
        binascii.Error: it is no base64.
    """
    return b64decode(text + "=" * (-len(text) % 4), validate=True)


def encode_binary(value: bytes) -> str:
    """Return bytes as a `-bin` value: base64 without padding."""
    return b64encode(value).decode("ascii").rstrip("=")


def from_metadata(metadata: MetadataPairs, prefix: str = "") -> list[tuple[str, str]]:
    """Return metadata of an answer as headers.

    Args:
        metadata: The metadata.
        prefix: What each name begins with, such as `trailer-`.
    """
    return [
        (prefix + name, value if isinstance(value, str) else encode_binary(value))
        for name, value in metadata
        if name not in _NOT_RETURNED and not name.startswith(("grpc-", ":"))
    ]


def percent_encode(message: str) -> str:
    """Return a status message as it goes into `grpc-message` (doc/PROTOCOL-HTTP2.md, Percent-Encoded)."""
    return quote(message, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~", errors="replace")


def caller_deadline(request: HttpRequest) -> float | None:
    """Return when the caller gives up, by the monotonic clock, or None for never.

    Whichever of these is set counts, the earliest if several are: `grpc-timeout`, `connect-timeout-ms`,
    `x-server-timeout` and `request-timeout`, the last two in seconds.

    Raises:
        InvalidRequest: one of them is malformed.
    """
    kept = request.kept
    if kept is not None:
        timed = kept.timed
        if timed is None:
            timed = kept.timed = any(name in kept.index for name in _DEADLINES)
        if not timed:
            return None
    found: list[float] = []
    for name, value in request.headers:
        if name == "grpc-timeout":
            found.append(_grpc_timeout(value))
        elif name == "connect-timeout-ms":
            if not _MILLISECONDS.fullmatch(value):
                raise _malformed(name, value, "at most 10 digits, in milliseconds, as in `1500`")
            found.append(int(value) / 1000)
        elif name in ("x-server-timeout", "request-timeout"):
            if not _DECIMAL.fullmatch(value):
                raise _malformed(name, value, "a number of seconds, as in `1.5`")
            found.append(float(value))
    return request.started + min(found) if found else None


def _grpc_timeout(value: str) -> float:
    parsed = _TIMEOUT.fullmatch(value)
    if parsed is None:
        raise _malformed("grpc-timeout", value, "at most 8 digits and one of the units H, M, S, m, u, n, as in `500m`")
    return int(parsed[1]) * _UNITS[parsed[2]]


def _malformed(name: str, value: str, form: str) -> InvalidRequest:
    shown = value[:40].encode("ascii", "replace").decode()
    return InvalidRequest.of([Violation(f"header {name}", f"`{shown}` is no timeout; write {form}")])


def media_type(request: HttpRequest) -> str:
    """Return the content type of a request in lower case, without parameters. Empty when there is none."""
    kept = request.kept
    if kept is not None and kept.media is not None:
        return kept.media
    sent = request.header("content-type")
    media = sent.partition(";")[0].strip().lower() if sent else ""
    if kept is not None:
        kept.media = media
    return media


def accepts(request: HttpRequest) -> Iterable[str]:
    """Yield the media types of `accept` in lower case, the preferred ones first, those with q=0 left out.

    Source: RFC 9110 section 12.5.1.
    """
    ranked: list[tuple[float, int, str]] = []
    for position, part in enumerate(request.header("accept").split(",")):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if kind and quality > 0:
            ranked.append((-quality, position, kind))
    for _, _, kind in sorted(ranked):
        yield kind
