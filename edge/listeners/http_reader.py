"""Takes HTTP/1.1 requests apart as they come (RFC 9112), without I/O.

    HEAD ─ LENGTH ─────────────────────────────┐
      │                                        ├─ DONE ─ next ─ HEAD
      └─ SIZE ─ CHUNK ─ CHUNK_END ─ TRAILERS ──┘

Behind a whole request nothing is read until `next`: requests that are pipelined wait as the bytes they are, so that
they cost nothing and are bounded by what may wait. What has no place in HTTP ends in BROKEN.
"""

from __future__ import annotations

import re
from typing import Final

from mypy_extensions import mypyc_attr

from edge.listeners.http_fields import (
    MAX_HEADERS,
    BadHead,
    Section,
    check_beginning,
    origin_form,
    parse_section,
    request_line,
)

HEAD: Final = 0
LENGTH: Final = 1
SIZE: Final = 2
CHUNK: Final = 3
CHUNK_END: Final = 4
TRAILERS: Final = 5
DONE: Final = 6
BROKEN: Final = 7

MAX_CHUNK_LINE: Final = 4096
"""The longest line with the size of a chunk, in bytes; extensions are passed over."""

MAX_TRAILERS: Final = 16 * 1024
"""The most bytes of trailers, which nobody reads."""

_KEPT_SECTIONS: Final = 4
_LONGEST_KEPT: Final = 2048
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_BROKEN_BODY: Final = "the body of the request is not framed as HTTP/1.1 asks for"


@mypyc_attr(allow_interpreted_subclasses=True)
class RequestReader:
    """Reads the requests of a connection. A subclass is told what comes.

    Args:
        max_head: The most bytes of a head.
        max_headers: The most headers.
    """

    def __init__(self, max_head: int, max_headers: int = MAX_HEADERS) -> None:
        self.state: int = HEAD
        """Where it is in a request."""
        self.waiting: bytearray = bytearray()
        """Bytes that came and are not read yet: part of a head, or what comes behind a request."""
        self._max_head = max_head
        self._max_headers = max_headers
        self._left = 0
        self._trailers = 0
        self._searched = 0
        self._sections: dict[bytes, Section] = {}

    # === for subclasses ===

    def on_request(self, verb: str, target: str, version: str, host: str, section: Section, whole: bool) -> None:
        """A head has come. Its body follows, if it has one.

        Args:
            verb: The method.
            target: The target: a path with its query, or `*`.
            version: `1.1` or `1.0`.
            host: The authority, as sent.
            section: The headers.
            whole: Whether there is no body. Then there is no `on_end`.
        """
        raise NotImplementedError

    def on_piece(self, piece: bytes) -> None:
        """A part of the body has come."""
        raise NotImplementedError

    def on_end(self) -> None:
        """The body is whole."""
        raise NotImplementedError

    def on_bad_head(self, status: int, message: str) -> None:
        """What came is no request. Nothing more is read."""
        raise NotImplementedError

    def on_bad_body(self, message: str) -> None:
        """What came is no body. Nothing more is read."""
        raise NotImplementedError

    def too_large(self) -> str:
        """Return what is said of a head that is too large."""
        raise NotImplementedError

    # === bytes ===

    def feed(self, data: bytes) -> None:
        """Take bytes in."""
        state = self.state
        if state == BROKEN:
            return
        if state == DONE:
            self.waiting += data
            return
        if self.waiting:
            self.waiting += data
            if state == HEAD and self._incomplete():
                return
            data = bytes(self.waiting)
            self.waiting.clear()
        self._read(data)

    def next(self) -> None:
        """Go on to the next request, once this one is whole and answered."""
        self.state = HEAD
        if self.waiting:
            data = bytes(self.waiting)
            self.waiting.clear()
            self._read(data)

    def stop(self) -> None:
        """Read nothing more."""
        self.state = BROKEN
        self.waiting.clear()

    def take_rest(self) -> bytes:
        """Return what has come behind the request, for another protocol."""
        rest = bytes(self.waiting)
        self.stop()
        return rest

    def _read(self, data: bytes) -> None:
        at = 0
        end = len(data)
        while 0 <= at < end:
            state = self.state
            if state == HEAD:
                at = self._head(data, at)
            elif state in (LENGTH, CHUNK):
                at = self._body(data, at, state)
            elif state == DONE:
                at = self._keep(data, at)
            elif state == BROKEN:
                return
            else:
                at = self._line(data, at, state)

    def _body(self, data: bytes, at: int, state: int) -> int:
        left = self._left
        piece = data[at : at + left] if at or left < len(data) else data
        left -= len(piece)
        self._left = left
        if not left:
            self.state = DONE if state == LENGTH else CHUNK_END
        self.on_piece(piece)
        if self.state == DONE:
            self.on_end()
        return at + len(piece)

    def _keep(self, data: bytes, at: int) -> int:
        self.waiting += data[at:]
        return -1

    # === heads ===

    def _head(self, data: bytes, at: int) -> int:
        """Read a head, and return where it ends, or -1."""
        while data.startswith(b"\r\n", at):
            at += 2  # some send it behind a body (RFC 9112 section 2.2)
        if at == len(data):
            return at
        found = data.find(b"\r\n\r\n", at)
        if found < 0:
            self.waiting += data[at:]
            self._searched = 0
            self._incomplete()
            return -1
        self._searched = 0
        try:
            if found + 2 - at > 2 * self._max_head:
                raise BadHead(431, self.too_large())
            self._take_head(data, at, found)
        except BadHead as error:
            self.stop()
            self.on_bad_head(error.status, error.message)
            return -1
        return found + 4

    def _take_head(self, data: bytes, at: int, found: int) -> None:
        eol = data.find(b"\r\n", at)
        limit = self._max_head
        if eol - at > limit:
            raise BadHead(431, self.too_large())
        verb, target, version = request_line(data[at:eol])
        lines = data[eol + 2 : found + 2]
        section = self._sections.get(lines)
        if section is None:
            section = parse_section(lines, self._max_headers)
            if section.size <= limit and len(lines) <= _LONGEST_KEPT:
                if len(self._sections) >= _KEPT_SECTIONS:
                    self._sections.clear()
                self._sections[lines] = section
        if section.fault[0]:
            raise BadHead(section.fault[0], section.fault[1])
        host = section.host
        if target[0] != "/" or verb == "CONNECT":
            target, host = origin_form(verb, target, host)
        if not section.hosts and version == "1.1":
            raise BadHead(400, "the request is not HTTP/1.1: Missing 'Host' header")
        if section.coding and version == "1.0":
            raise BadHead(400, "the header `transfer-encoding` is not part of HTTP/1.0 (RFC 9112 section 6.1)")
        if section.size > limit:
            raise BadHead(
                431, f"the headers take {section.size} bytes; server.limits.max_metadata_bytes allows {limit}"
            )
        self._begin(verb, target, version, host, section)

    def _begin(self, verb: str, target: str, version: str, host: str, section: Section) -> None:
        if section.chunked:
            self.state = SIZE
        else:
            self._left = section.length
            self.state = LENGTH if section.length else DONE
        self._trailers = 0
        self.on_request(verb, target, version, host, section, self.state == DONE)

    def _incomplete(self) -> bool:
        """Look at the beginning of a head; return whether it is not whole yet."""
        waiting = self.waiting
        start = self._searched
        if waiting.find(b"\r\n\r\n", max(start - 3, 0)) >= 0 or waiting[:2] == b"\r\n":
            self._searched = 0
            return False
        try:
            if waiting != b"\r":
                check_beginning(waiting, start)
            if len(waiting) > 2 * self._max_head:
                raise BadHead(431, self.too_large())
        except BadHead as error:
            self.stop()
            self.on_bad_head(error.status, error.message)
        self._searched = len(waiting)
        return True

    # === chunks ===

    def _line(self, data: bytes, at: int, state: int) -> int:
        """Read a line between chunks, and return where it ends, or -1."""
        found = data.find(b"\r\n", at)
        size = (found if found >= 0 else len(data)) - at
        if size > MAX_CHUNK_LINE or (state == CHUNK_END and size > 1):
            return self._break()
        if found < 0:
            if b"\n" in data[at:]:
                return self._break()
            return self._keep(data, at)
        if state == SIZE:
            match = _CHUNK_SIZE.fullmatch(data, at, found)
            if match is None:
                return self._break()
            self._left = int(match.group(1), 16)
            self.state = CHUNK if self._left else TRAILERS
        elif state == CHUNK_END:
            if size:
                return self._break()
            self.state = SIZE
        elif size:
            return self._trailer(data[at : found + 2], found + 2)
        else:
            self.state = DONE
            self.on_end()
        return found + 2

    def _trailer(self, line: bytes, end: int) -> int:
        self._trailers += len(line)
        if self._trailers > MAX_TRAILERS:
            return self._break()
        try:
            parse_section(line)
        except BadHead:
            return self._break()
        return end

    def _break(self) -> int:
        self.stop()
        self.on_bad_body(_BROKEN_BODY)
        return -1
