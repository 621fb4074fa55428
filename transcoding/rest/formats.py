"""How a server stream is written over HTTP, by `accept`: NDJSON, SSE, a JSON array, a JSON text sequence.

Whatever the form, a stream that fails after its beginning ends with the same object, `{"error": google.rpc.Status}`.
Sources: WHATWG HTML "Server-sent events", RFC 7464 (JSON text sequences), RFC 8259.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class StreamFormat(Protocol):
    """Writes one stream. Each of its pieces goes out at once."""

    content_type: str
    """What the answer says it is."""

    def message(self, text: bytes) -> bytes:
        """Return the piece for one message, given as JSON in one line."""
        ...

    def end(self) -> bytes:
        """Return the last piece of a stream that succeeded."""
        ...

    def error(self, text: bytes) -> bytes:
        """Return the last piece of a stream that failed, given the error object as JSON in one line."""
        ...

    def beat(self) -> bytes:
        """Return what keeps a quiet stream open. Empty when there is nothing of the kind."""
        ...


class Lines:
    """NDJSON: one JSON value a line."""

    content_type = "application/x-ndjson"

    def message(self, text: bytes) -> bytes:
        """Return a line."""
        return text + b"\n"

    def end(self) -> bytes:
        """Return nothing: the body ends."""
        return b""

    def error(self, text: bytes) -> bytes:
        """Return a line."""
        return text + b"\n"

    def beat(self) -> bytes:
        """Return nothing: an empty line is no JSON."""
        return b""


class Sequence:
    """A JSON text sequence (RFC 7464)."""

    content_type = "application/json-seq"

    def message(self, text: bytes) -> bytes:
        """Return a value between RS and LF."""
        return b"\x1e" + text + b"\n"

    def end(self) -> bytes:
        """Return nothing: the body ends."""
        return b""

    def error(self, text: bytes) -> bytes:
        """Return a value between RS and LF."""
        return b"\x1e" + text + b"\n"

    def beat(self) -> bytes:
        """Return nothing."""
        return b""


class Array:
    """One JSON array, sent element by element."""

    content_type = "application/json"

    def __init__(self) -> None:
        self._before = b"["

    def message(self, text: bytes) -> bytes:
        """Return an element with what goes before it."""
        piece = self._before + text
        self._before = b","
        return piece

    def end(self) -> bytes:
        """Return the end of the array."""
        return b"[]" if self._before == b"[" else b"]"

    def error(self, text: bytes) -> bytes:
        """Return the last element and the end of the array."""
        return self.message(text) + b"]"

    def beat(self) -> bytes:
        """Return white space, which no parser minds."""
        return b"" if self._before == b"[" else b" "


class Events:
    """Server-sent events, numbered from 1. The last one is `end` or `error`: a page closes its EventSource then."""

    content_type = "text/event-stream"

    def __init__(self) -> None:
        self._number = 0

    def message(self, text: bytes) -> bytes:
        """Return an event."""
        self._number += 1
        return b"id: %d\ndata: %b\n\n" % (self._number, text)

    def end(self) -> bytes:
        """Return the event `end`: without it a browser would ask again."""
        return b"event: end\ndata: {}\n\n"

    def error(self, text: bytes) -> bytes:
        """Return the event `error`."""
        return b"event: error\ndata: %b\n\n" % text

    def beat(self) -> bytes:
        """Return a comment."""
        return b":\n\n"


_FORMATS: dict[str, type[Lines | Sequence | Array | Events]] = {
    "application/x-ndjson": Lines,
    "application/ndjson": Lines,
    "application/jsonl": Lines,
    "application/json-seq": Sequence,
    "application/json": Array,
    "text/event-stream": Events,
    "application/*": Lines,
    "*/*": Lines,
}


def stream_format(accepted: Iterable[str]) -> StreamFormat:
    """Return the form of a stream for what a caller accepts, the preferred one first. Without a wish it is NDJSON."""
    for kind in accepted:
        found = _FORMATS.get(kind)
        if found is not None:
            return found()
    return Lines()
