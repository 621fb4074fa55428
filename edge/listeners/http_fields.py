"""The grammar of heads in HTTP/1.1 (RFC 9112 sections 2 to 6), as strict as it is written there.

What could be read in two ways is refused: whoever stands before or behind us may read it in the other one, and then a
caller decides what the next caller is answered (request smuggling). So there is no folding, no bare CR or LF, no blank
before a colon, no second length, and no length beside a transfer coding.

A header line is looked at once: what it says is kept by its bytes, and so are whole header sections by a connection.
"""

from __future__ import annotations

import re
from typing import Final

from edge.model.http import KeptHeaders
from edge.wire.hpack_literals import SECRET

# fmt: off
METHODS: Final = frozenset(
    {
        "DELETE", "GET", "HEAD", "POST", "PUT", "CONNECT", "OPTIONS", "TRACE", "COPY", "LOCK", "MKCOL", "MOVE",
        "PROPFIND", "PROPPATCH", "SEARCH", "UNLOCK", "BIND", "REBIND", "UNBIND", "ACL", "REPORT", "MKACTIVITY",
        "CHECKOUT", "MERGE", "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PATCH", "PURGE", "MKCALENDAR", "LINK",
        "UNLINK", "SOURCE", "QUERY",
    }
)
# fmt: on
"""The methods that are taken: those of the IANA registry that servers meet. Another word at the beginning is more often
another protocol."""

MAX_HEADERS: Final = 128
"""The most headers of a request where nothing else is configured."""

NOT_A_METHOD: Final = "the request does not begin with a method that HTTP/1.1 knows; TLS and HTTP/2 are not spoken here"

_BAD_TARGET: Final = "the request target is neither a path nor an http URL"
_LONGEST_METHOD: Final = 16

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_A_VALUE = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")
_TARGET = re.compile(r"[\x21-\x7e]+")
_LENGTH = re.compile(r"[0-9]{1,18}")
_BARE = re.compile(rb"(?<!\r)\n|\r[^\n]")
_HOST = re.compile(r"(?:[\w.~!$&'()*+,;=%-]*|\[[\w.~%-]*:[\w.:~%-]*\])(?::[0-9]*)?", re.ASCII)
"""RFC 3986 section 3.2.2. Whatever else stands here, whoever reads it later may take for a path or for two hosts."""

_LINES: dict[bytes, tuple[str, str]] = {}
"""Header lines that were looked at, and what they say. Callers choose them, so that only so many are kept."""
_MAX_LINES: Final = 1024
_LONGEST_LINE: Final = 128
_SECRET: Final = SECRET | {"cookie"}
"""Headers that are not kept beyond their connection: memory is no place for credentials."""


class BadHead(Exception):
    """A head that is refused.

    Args:
        status: The HTTP status.
        message: What is wrong with it.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Section:
    """A header section, and what it says of the connection and the body.

    Args:
        pairs: The headers.
    """

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        self.headers: KeptHeaders = KeptHeaders(pairs)
        """The headers."""
        self.size: int = sum([len(name) + len(value) for name, value in pairs]) + 32 * len(pairs)
        """Names, values and 32 for each header, as HTTP/2 counts (RFC 9113 section 6.5.2)."""
        self.length: int = 0
        """The length of the body. 0 also when it is chunked."""
        self.chunked: bool = False
        """Whether the body is chunked."""
        self.waits: bool = False
        """Whether the caller waits for 100 before it sends the body (RFC 9110 section 10.1.1)."""
        self.closes: bool = False
        """Whether there is `connection: close`."""
        self.stays: bool = False
        """Whether there is `connection: keep-alive`, which HTTP/1.0 asks with."""
        self.host: str = ""
        """The value of `host`."""
        self.fault: tuple[int, str] = (0, "")
        """What is wrong with it for every version of HTTP, as HTTP status and words, or 0."""
        self.hosts: int = 0
        """How many `host` headers there are."""
        self.coding: bool = False
        """Whether there is a `transfer-encoding`."""
        self._see(pairs)

    def _see(self, pairs: tuple[tuple[str, str], ...]) -> None:
        lengths = 0
        codings = ""
        for name, value in pairs:
            if name == "host":
                self.hosts += 1
                self.host = value
            elif name == "content-length":
                lengths += 1
                if _LENGTH.fullmatch(value) is None:
                    self._fail(400, not_http("its Content-Length is no number"))
                else:
                    self.length = int(value)
            elif name == "transfer-encoding":
                codings = f"{codings},{value.lower()}" if self.coding else value.lower()
                self.coding = True
            elif name == "connection":
                options = [option.strip(" \t") for option in value.lower().split(",")]
                self.closes = self.closes or "close" in options
                self.stays = self.stays or "keep-alive" in options
            elif name == "expect":
                self.waits = value.lower() == "100-continue"
        if lengths > 1:
            self._fail(400, not_http("it has more than one Content-Length"))
        if self.hosts > 1:
            self._fail(400, not_http("Duplicate 'Host' header"))
        if _HOST.fullmatch(self.host) is None:
            self._fail(400, "the host is not a name or an address, with a port or without (RFC 9112 section 3.2)")
        if self.coding:
            self._code(codings, lengths)

    def _code(self, codings: str, lengths: int) -> None:
        named = [coding.strip(" \t") for coding in codings.split(",")]
        self.chunked = True
        if lengths:
            self._fail(400, not_http("it has Content-Length and Transfer-Encoding (RFC 9112 section 6.1)"))
        elif named[-1] != "chunked" or named.count("chunked") > 1:
            self._fail(400, not_http("`chunked` is not its last transfer coding, once (RFC 9112 section 6.3)"))
        elif len(named) > 1:
            self._fail(501, "no other transfer coding than `chunked` is spoken here")

    def _fail(self, status: int, message: str) -> None:
        if not self.fault[0]:
            self.fault = (status, message)


def not_http(what: str) -> str:
    """Return the words of a refusal."""
    return f"the request is not HTTP/1.1: {what}"


def parse_section(data: bytes, most: int = MAX_HEADERS) -> Section:
    """Return what a header section says.

    Args:
        data: Its lines, each with CRLF at its end.
        most: How many there may be.

    Raises:
        BadHead: a line is no header, or there are too many.
    """
    if not data:
        return Section(())
    lines = data[:-2].split(b"\r\n")
    if len(lines) > most:
        raise BadHead(431, f"the request has {len(lines)} headers; server.limits.max_headers allows {most}")
    pairs: list[tuple[str, str]] = []
    for line in lines:
        pair = _LINES.get(line)
        if pair is None:
            pair = parse_line(line)
        pairs.append(pair)
    return Section(tuple(pairs))


def parse_line(line: bytes) -> tuple[str, str]:
    """Return the name and the value of a header line, and keep them.

    Raises:
        BadHead: it is no header.
    """
    raw, colon, rest = line.partition(b":")
    if not colon or _TOKEN.fullmatch(raw) is None:
        raise BadHead(400, not_http("a header is not `name: value`, or is folded"))
    value = rest.strip(b" \t")
    if _NOT_A_VALUE.search(value) is not None:
        raise BadHead(400, not_http("a control character in the value of a header"))
    pair = (raw.decode("ascii").lower(), value.decode("latin-1"))
    if len(line) <= _LONGEST_LINE and pair[0] not in _SECRET:
        if len(_LINES) >= _MAX_LINES:
            _LINES.clear()
        _LINES[line] = pair
    return pair


def request_line(line: bytes) -> tuple[str, str, str]:
    """Return method, target and version, `1.1` or `1.0`.

    Raises:
        BadHead: it is none that is taken.
    """
    words = line.decode("latin-1").split(" ")
    verb = words[0]
    if verb not in METHODS:
        raise BadHead(400, NOT_A_METHOD)
    if len(words) == 2 and _TARGET.fullmatch(words[1]) is not None:
        raise BadHead(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    if len(words) != 3:
        raise BadHead(400, not_http("Bad status line: it is not `METHOD target HTTP/1.1`"))
    target, version = words[1], words[2]
    if _TARGET.fullmatch(target) is None:
        raise BadHead(400, f"{_BAD_TARGET}; other than ASCII it is percent-encoded")
    if version == "HTTP/1.1":
        return verb, target, "1.1"
    if version == "HTTP/1.0":
        return verb, target, "1.0"
    if version in ("HTTP/0.9", "HTTP/2.0"):
        raise BadHead(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    raise BadHead(400, not_http("its version is none of HTTP/1"))


def check_beginning(data: bytes | bytearray, start: int) -> None:
    """Look at a head whose end has not come, so that other protocols are told at once.

    Args:
        data: What there is of it.
        start: How much of that was looked at before.

    Raises:
        BadHead: it will be no head whatever comes.
    """
    if start < _LONGEST_METHOD:
        word, blank, _ = bytes(data[: _LONGEST_METHOD + 1]).partition(b" ")
        verb = word.decode("latin-1")
        if (verb not in METHODS) if blank else not any(method.startswith(verb) for method in METHODS):
            raise BadHead(400, NOT_A_METHOD)
    if _BARE.search(data, max(start - 1, 0)) is not None:
        raise BadHead(400, not_http("a line does not end with CRLF"))


def origin_form(verb: str, target: str, host: str) -> tuple[str, str]:
    """Return the target as path and query, and the host, for a target that is no path (RFC 9112 section 3.2).

    Args:
        verb: The method.
        target: The target.
        host: The host by the header. That of an absolute target wins.

    Raises:
        BadHead: it is none that is taken.
    """
    if verb == "CONNECT":  # whatever the target: an endpoint may take it for a tunnel and what follows for its content
        raise BadHead(501, "CONNECT is not available: this is a gateway, not a forward proxy")
    if target == "*" and verb == "OPTIONS":
        return target, host
    scheme, marks, rest = target.partition("://")
    if not marks or scheme.lower() not in ("http", "https"):
        raise BadHead(400, _BAD_TARGET)
    end = next((at for at, sign in enumerate(rest) if sign in "/?#"), len(rest))
    authority, origin = rest[:end].rpartition("@")[2], rest[end:]
    if not authority or _HOST.fullmatch(authority) is None:
        raise BadHead(400, _BAD_TARGET)
    return origin if origin[:1] == "/" else f"/{origin}", authority
