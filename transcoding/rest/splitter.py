"""Takes JSON values out of a body as it arrives: an array, or values one after the other (NDJSON, JSON text sequences).

Only as much is looked at as is needed to see where a value ends; whether it is right is the codec's to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from edge.model.errors import GatewayError, InvalidRequest, Violation

_STRUCTURE = re.compile(rb'["{}\[\]]')
_STRING_END = re.compile(rb'["\\]')
_SCALAR_END = re.compile(rb'[\s\x1e,\]\["{}]')
_SPACE = re.compile(rb"[\s\x1e]*")
"""White space, and what begins each value of a JSON text sequence (RFC 7464)."""


class JsonSplitter:
    """Splits one body.

    Args:
        array: Whether a body that begins with `[` is an array of the messages. Otherwise that is the first message.
        limit: The most bytes of one value.
        too_large: Makes the refusal of a larger one.
    """

    __slots__ = (
        "_array",
        "_at",
        "_buffer",
        "_depth",
        "_end",
        "_limit",
        "_number",
        "_open",
        "_start",
        "_string",
        "_too_large",
        "_wants",
    )

    def __init__(self, *, array: bool, limit: int, too_large: Callable[[], GatewayError]) -> None:
        self._array: bool | None = None if array else False
        self._buffer = bytearray()
        self._limit = limit
        self._too_large = too_large
        self._at = 0
        self._start = -1
        self._depth = 0
        self._string = False
        self._open = False
        self._end = False
        self._wants = "value or end"
        self._number = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take a piece of the body and yield the values that are whole now.

        Raises:
            InvalidRequest: it is neither an array nor a sequence of values.
            GatewayError: a value is too large.
        """
        self._buffer += data
        while (value := self._next()) is not None:
            yield value
        if self._start >= 0 and len(self._buffer) > self._limit:
            raise self._too_large()

    def finish(self) -> Iterator[bytes]:
        """Take the end of the body and yield the value that only it ends.

        Raises:
            InvalidRequest: it came in the middle of a value or an array.
        """
        if self._start >= 0 and not self._depth and not self._string and not self._array:
            yield self._take(len(self._buffer))
        elif self._start >= 0 or (self._array and not self._end):
            raise self._wrong("the body ends in the middle of it")

    def _next(self) -> bytes | None:
        while True:
            if self._start < 0 and not self._begin():
                return None
            if self._string:
                if not self._skip_string():
                    return None
                if not self._depth:
                    return self._take(self._at)
            elif self._depth:
                if not self._skip_structure():
                    return None
                if not self._depth and not self._string:
                    return self._take(self._at)
            else:
                found = _SCALAR_END.search(self._buffer, self._at)
                if found is None:
                    self._at = len(self._buffer)
                    return None
                return self._take(found.start())

    def _begin(self) -> bool:
        """Go to the beginning of the next value; return whether it is there."""
        buffer = self._buffer
        while True:
            space = _SPACE.match(buffer, self._at)
            at = space.end() if space is not None else self._at
            if at >= len(buffer):
                buffer.clear()
                self._at = 0
                return False
            mark = buffer[at]
            self._at = at
            if self._array is None:
                self._array = mark == 0x5B
                if self._array:
                    self._at += 1
                    continue
            if self._array and self._punctuation(mark):
                self._at += 1
                continue
            self._start = at
            self._at = at + 1
            self._string = mark == 0x22
            self._depth = 1 if mark in (0x7B, 0x5B) else 0
            return True

    def _punctuation(self, mark: int) -> bool:
        """Take a mark between the values of an array; return whether it was one."""
        if self._end:
            raise self._wrong("there is something behind the end of the array")
        if mark == 0x2C and self._wants == "comma or end":
            self._wants = "value"
            return True
        if mark == 0x5D and self._wants != "value":
            self._end = True
            return True
        if mark in (0x2C, 0x5D) or self._wants == "comma or end":
            raise self._wrong("the values of an array are separated by one comma each")
        return False

    def _skip_string(self) -> bool:
        while True:
            found = _STRING_END.search(self._buffer, self._at)
            if found is None:
                self._at = len(self._buffer)
                return False
            if found[0] == b'"':
                self._string = False
                self._at = found.end()
                return True
            if found.end() >= len(self._buffer):
                self._at = found.start()
                return False
            self._at = found.end() + 1

    def _skip_structure(self) -> bool:
        found = _STRUCTURE.search(self._buffer, self._at)
        if found is None:
            self._at = len(self._buffer)
            return False
        self._at = found.end()
        mark = found[0]
        if mark == b'"':
            self._string = True
        else:
            self._depth += 1 if mark in (b"{", b"[") else -1
        return True

    def _take(self, end: int) -> bytes:
        value = bytes(self._buffer[self._start : end])
        del self._buffer[:end]
        self._at = 0
        self._start = -1
        self._number += 1
        if len(value) > self._limit:
            raise self._too_large()
        if self._array:
            self._wants = "comma or end"
        return value

    def _wrong(self, problem: str) -> InvalidRequest:
        form = "send an array, or one JSON value a line"
        return InvalidRequest.of([Violation(f"body[{self._number}]", f"{problem}; {form}")])
