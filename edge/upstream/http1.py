"""HTTP/1.1 as a client speaks it (RFC 9112), without I/O: request heads out, answers in.

A proxy has to hand on what it was given: the target as it was sent, header values in whatever bytes they have, bodies
as they are coded. Client libraries normalize these, so the few rules there are stand here.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace

from edge.model.http import HeaderPairs

MAX_HEAD = 64 * 1024
"""The longest head, chunk line or trailer section of an answer, in bytes."""

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\x00\r\n]*)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00\r\n]*)?")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NO_BODY = (204, 304)


class BrokenAnswerError(Exception):
    """The other side broke the rules of HTTP; the message says how."""


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """The head of an answer."""

    status: int
    """The status, 200 to 999."""

    headers: HeaderPairs
    """The headers in their order: names in lower case, values as Latin-1."""

    minor: int
    """The minor version of HTTP/1."""

    def values(self, name: str) -> list[str]:
        """Return the elements of a comma-separated header by its lower-case name, in lower case."""
        found = [value for key, value in self.headers if key == name]
        # blanks are spaces and tabs only: Python's own idea of them takes `chunked` and a NO-BREAK SPACE for `chunked`
        return [element.strip(" \t").lower() for value in found for element in value.split(",")]


def request_head(verb: str, target: str, headers: HeaderPairs) -> bytes:
    """Return the bytes of a request's head.

    Args:
        verb: The method.
        target: The request target, as it is to be sent, one character for each byte.
        headers: The headers, their values likewise.

    Raises:
        ValueError: the verb, the target or a header holds a line break or a NUL, which would start another header, or a
            character that is no byte.
    """
    line = f"{verb} {target} HTTP/1.1\r\n"
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    lines = len(headers)
    text = line + fields
    if text.count("\n") != lines + 1 or text.count("\r") != lines + 1 or "\0" in text or line.count(" ") != 2:
        raise ValueError("a line break, a space or a NUL in the head of a request")
    return f"{text}\r\n".encode("latin-1")


class _State(enum.Enum):
    HEAD = enum.auto()
    LENGTH = enum.auto()
    UNTIL_CLOSE = enum.auto()
    CHUNK_SIZE = enum.auto()
    CHUNK_DATA = enum.auto()
    CHUNK_END = enum.auto()
    TRAILERS = enum.auto()
    DONE = enum.auto()


class AnswerParser:
    """Reads one answer.

    Args:
        verb: The method of the request: an answer to HEAD has no body.
    """

    __slots__ = ("_buffer", "_left", "_state", "_trailers", "_verb", "continued", "head", "length", "reusable")

    def __init__(self, verb: str) -> None:
        self.head: AnswerHead | None = None
        """The head of the final answer, once it is there."""
        self.continued = False
        """Whether the other side asks for the body (RFC 9110 section 10.1.1)."""
        self.reusable = False
        """Whether the connection can carry another request after this answer."""
        self.length: int | None = None
        """The bytes of the body, where the head says so; 0 where there is none."""
        self._verb = verb
        self._state = _State.HEAD
        self._buffer = b""
        self._left = 0
        self._trailers = 0

    @property
    def done(self) -> bool:
        """Whether the answer is whole."""
        return self._state is _State.DONE

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes from the connection and return the pieces of the body in them.

        Raises:
            BrokenAnswerError: they are no HTTP.
        """
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        pieces: list[bytes] = []
        at, end = 0, len(data)
        while at < end:
            state = self._state
            if state is _State.LENGTH or state is _State.CHUNK_DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _State.DONE if state is _State.LENGTH else _State.CHUNK_END
            elif state is _State.UNTIL_CLOSE:
                pieces.append(data[at:])
                break
            elif state is _State.DONE:
                self.reusable = False  # it said more than it was asked
                break
            else:
                stop = b"\r\n\r\n" if state is _State.HEAD else b"\r\n"
                found = data.find(stop, at)
                if (found if found >= 0 else end) - at > MAX_HEAD:
                    raise BrokenAnswerError(f"a head, chunk line or trailer of more than {MAX_HEAD} bytes")
                if found < 0:
                    self._buffer = data[at:]
                    break
                self._take(state, data[at:found])
                at = found + len(stop)
        return pieces

    def feed_eof(self, *, orderly: bool) -> None:
        """Take the end of the connection.

        Args:
            orderly: Whether the other side has ended it. A body that lasts until then is not whole when the connection
                was reset, or ended by us.

        Raises:
            BrokenAnswerError: the answer is not whole.
        """
        if self._state is _State.UNTIL_CLOSE and orderly:
            self._state = _State.DONE
        elif self._state is not _State.DONE:
            where = "the head of its answer" if self.head is None else "the body of its answer"
            raise BrokenAnswerError(f"the connection was closed in {where}")

    def _take(self, state: _State, line: bytes) -> None:
        match state:
            case _State.HEAD:
                head = _parse_head(line)
                if head.status >= 200:
                    self._frame(head)
                elif head.status == 101:
                    raise BrokenAnswerError("it switched protocols without being asked to")
                else:
                    self.continued = self.continued or head.status == 100
            case _State.CHUNK_SIZE:
                found = _CHUNK_SIZE.fullmatch(line)
                if found is None:
                    raise BrokenAnswerError(f"{line[:20]!r} is no chunk size")
                self._left = int(found[1], 16)
                self._state = _State.CHUNK_DATA if self._left else _State.TRAILERS
            case _State.CHUNK_END:
                if line:
                    raise BrokenAnswerError("a chunk is longer than its size")
                self._state = _State.CHUNK_SIZE
            case _State.TRAILERS:
                self._trailers += len(line)
                if self._trailers > MAX_HEAD:
                    raise BrokenAnswerError(f"trailers of more than {MAX_HEAD} bytes")
                if line:
                    _parse_headers([line])  # they go no further, but what is none may be the next answer
                else:
                    self._state = _State.DONE
            case _:  # pragma: no cover - the other states take no lines
                raise AssertionError(state)

    def _frame(self, head: AnswerHead) -> None:
        """Find out where the body ends (RFC 9112 section 6.3)."""
        self.head = head
        options = head.values("connection")
        self.reusable = "close" not in options and (head.minor == 1 or "keep-alive" in options)
        codings = head.values("transfer-encoding")
        lengths = set(head.values("content-length"))
        if len(lengths) > 1 or not all(value.isascii() and value.isdigit() and len(value) < 19 for value in lengths):
            raise BrokenAnswerError("its content-length is no number, or several")
        if self._verb == "HEAD" or head.status in _NO_BODY:
            # a body that is announced with 204 may come all the same, and would be read as the next answer
            self.reusable = self.reusable and not (head.status == 204 and (codings or lengths - {"0"}))
            self.length, self._state = 0, _State.DONE
        elif codings:
            if codings != ["chunked"] or head.minor == 0:
                raise BrokenAnswerError(f"transfer-encoding {', '.join(codings)[:50]!r} where only chunked is known")
            # both: whoever counts differently sees another answer, so nothing may follow (RFC 9112 section 6.1)
            self.reusable = self.reusable and not lengths
            if lengths:
                self.head = replace(head, headers=[pair for pair in head.headers if pair[0] != "content-length"])
            self._state = _State.CHUNK_SIZE
        elif lengths:
            self.length = self._left = int(lengths.pop())
            self._state = _State.LENGTH if self._left else _State.DONE
        else:
            self.reusable = False
            self._state = _State.UNTIL_CLOSE


def _parse_head(data: bytes) -> AnswerHead:
    first, *lines = data.split(b"\r\n")
    found = _STATUS_LINE.fullmatch(first)
    if found is None:
        raise BrokenAnswerError(f"{first[:40]!r} is no status line of HTTP/1.1")
    return AnswerHead(int(found[2]), _parse_headers(lines), int(found[1]))


def _parse_headers(lines: list[bytes]) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    for line in lines:
        if _CONTROL.search(line):
            raise BrokenAnswerError("a header holds a control character")
        if line[:1] in (b" ", b"\t"):
            if not headers:
                raise BrokenAnswerError("the first header is folded")
            name, value = headers[-1]  # RFC 9112 section 5.2: a fold becomes a space
            more = line.strip(b" \t").decode("latin-1")
            headers[-1] = (name, f"{value} {more}".strip(" \t"))
            continue
        key, colon, rest = line.partition(b":")
        if not colon or not _TOKEN.fullmatch(key):
            raise BrokenAnswerError(f"{line[:40]!r} is no header")
        headers.append((key.decode("ascii").lower(), rest.strip(b" \t").decode("latin-1")))
    return headers
