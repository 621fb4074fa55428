"""Heads of answers in HTTP/1.1 (RFC 9112): as bytes that are checked for injected lines."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from http import HTTPStatus

from edge.model.http import HeaderPairs
from edge.model.status import Code
from edge.wire.hpack_literals import SECRET

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}

FRAMING = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-connection", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that belong to the connection or the framing (RFC 9110 section 7.6.1). The front writes them itself."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_CODES = {404: Code.NOT_FOUND, 408: Code.DEADLINE_EXCEEDED, 431: Code.RESOURCE_EXHAUSTED, 500: Code.INTERNAL}
_CODES |= {415: Code.UNIMPLEMENTED, 501: Code.UNIMPLEMENTED, 505: Code.UNIMPLEMENTED}


class _Clock:
    """The `date` header, made once a second."""

    __slots__ = ("_line", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._line = ""

    def line(self) -> str:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._line = f"date: {formatdate(now, usegmt=True)}\r\n"
        return self._line


_CLOCK = _Clock()


_KEPT: dict[tuple[int, HeaderPairs], tuple[str, bool]] = {}
"""Status line and headers of answers that come again, and whether there is a date among them."""
_MAX_KEPT = 256
_LONGEST_KEPT = 512
_MOST_KEPT = 3  # headers; an answer with more has mostly one that is its own


def encode_head(status: int, headers: HeaderPairs, framing: str) -> bytes:
    """Return the head of an answer.

    Args:
        status: The HTTP status.
        headers: The headers. What is in `FRAMING` is left out.
        framing: The headers of the connection and of the body's length, as whole lines.

    Raises:
        ValueError: a name or a value has a line break or NUL in it, or a character that Latin-1 does not have.
    """
    if isinstance(headers, tuple) and len(headers) <= _MOST_KEPT:
        known = _KEPT.get((status, headers))
        if known is None:
            known = _status_and_fields(status, headers)
            if len(known[0]) <= _LONGEST_KEPT and not any(name in SECRET for name, _ in headers):
                if len(_KEPT) >= _MAX_KEPT:
                    _KEPT.clear()
                _KEPT[status, headers] = known
    else:
        known = _status_and_fields(status, headers)
    text, dated = known
    return f"{text}{'' if dated else _CLOCK.line()}{framing}\r\n".encode("latin-1")


def _status_and_fields(status: int, headers: HeaderPairs) -> tuple[str, bool]:
    lines = [f"{name}: {value}\r\n" for name, value in headers if name not in FRAMING]
    text = (_STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n") + "".join(lines)
    # one look at the whole is cheaper than one at each value
    count = len(lines) + 1
    if text.count("\n") != count or text.count("\r") != count or "\0" in text:
        raise ValueError("a header of an answer has a line break or NUL in it")
    return text, "\ndate: " in text


def error_body(status: int, message: str) -> bytes:
    """Return a refusal of the front as the JSON form of `google.rpc.Status`."""
    code = _CODES.get(status, Code.INVALID_ARGUMENT)
    return json.dumps({"code": int(code), "message": message, "details": []}, separators=(",", ":")).encode()


def given_length(headers: HeaderPairs) -> str:
    """Return the value of `content-length`, or the empty text when there is none that is a number."""
    for name, value in headers:
        if name == "content-length":
            return value if value.isascii() and value.isdigit() else ""
    return ""


def peer_words(name: object) -> str:
    """Return the other side of a socket in grpc's words, given its `peername`."""
    if not isinstance(name, tuple) or len(name) < 2:
        return "unix:"
    host, port = name[0], name[1]
    if ":" not in host:
        return f"ipv4:{host}:{port}"
    if host.startswith("::ffff:") and "." in host:
        return f"ipv4:{host[7:]}:{port}"
    return f"ipv6:[{host}]:{port}"
