"""Heads in HTTP/1.1 (RFC 9112): requests as they came, answers as bytes that are checked for injected lines."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from http import HTTPStatus

from aiohttp.http import HttpVersion11, RawRequestMessage

from edge.model.http import HeaderPairs, HttpRequest
from edge.model.status import Code

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}

FRAMING = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-connection", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that belong to the connection or the framing (RFC 9110 section 7.6.1). The front writes them itself."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_NAMES: dict[bytes, str] = {}
"""Names of headers in lower case, by what was sent. Callers choose them, so that only so many are kept."""
_MAX_NAMES = 1024
_LONGEST_NAME = 64

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


def encode_head(status: int, headers: HeaderPairs, framing: str) -> bytes:
    """Return the head of an answer.

    Args:
        status: The HTTP status.
        headers: The headers. What is in `FRAMING` is left out.
        framing: The headers of the connection and of the body's length, as whole lines.

    Raises:
        ValueError: a name or a value has a line break or NUL in it, or a character that Latin-1 does not have.
    """
    lines = [f"{name}: {value}\r\n" for name, value in headers if name not in FRAMING]
    text = (_STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n") + "".join(lines)
    # one look at the whole is cheaper than one at each value
    count = len(lines) + 1
    if text.count("\n") != count or text.count("\r") != count or "\0" in text:
        raise ValueError("a header of an answer has a line break or NUL in it")
    date = "" if "\ndate: " in text else _CLOCK.line()
    return f"{text}{date}{framing}\r\n".encode("latin-1")


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


def read_head(message: RawRequestMessage, peer: str, started: float) -> tuple[HttpRequest, int]:
    """Return the head of a request and its size. Target and values are as they were sent, one character for each byte.

    The size counts names, values and 32 for each header, as HTTP/2 does (RFC 9113 section 6.5.2).

    Args:
        message: What aiohttp has parsed.
        peer: The other side, in grpc's words.
        started: When it arrived, by the monotonic clock.
    """
    host = ""
    headers = []
    size = 32 * len(message.raw_headers)
    # the raw pairs: what aiohttp has decoded is not Latin-1
    for raw_name, raw_value in message.raw_headers:
        name = _NAMES.get(raw_name) or _lower(raw_name)
        value = raw_value.decode("latin-1")
        size += len(name) + len(value)
        headers.append((name, value))
        if name == "host":
            host = value
    target = message.path
    if not target.isascii():
        target = target.encode("utf-8", "surrogateescape").decode("latin-1")
    if target[:1] != "/" and (scheme_end := target.find("://")) > 0:
        host, target = _origin_form(target[scheme_end + 3 :])
    version = "1.1" if message.version is HttpVersion11 or message.version >= (1, 1) else "1.0"
    request = HttpRequest(message.method, target, headers, host=host, peer=peer, version=version, started=started)
    return request, size


def _lower(raw: bytes) -> str:
    """Return the name of a header in lower case, and keep it."""
    name = raw.decode("latin-1").lower()
    if len(raw) <= _LONGEST_NAME and len(_NAMES) < _MAX_NAMES:
        _NAMES[raw] = name
    return name


def _origin_form(rest: str) -> tuple[str, str]:
    """Split what follows `http://` into host and origin form; the host wins over the header's (RFC 9112 3.2.2)."""
    end = next((at for at, sign in enumerate(rest) if sign in "/?#"), len(rest))
    authority, target = rest[:end].rpartition("@")[2], rest[end:]
    return authority, target if target[:1] == "/" else f"/{target}"


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
