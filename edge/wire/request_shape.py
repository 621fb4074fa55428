"""Requests that differ in nothing but some values, such as path, time limit and trace: known but for these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge.wire.heads import NO_FIELDS, Field
from edge.wire.hpack_decoder import Decoder
from edge.wire.hpack_literals import SECRET
from edge.wire.names import HOP, name_kind
from edge.wire.request_head import RequestHead

if TYPE_CHECKING:
    from edge.model.peers import Peer

MAX_SHAPES: Final = 32
"""The shapes that a connection remembers; when they are too many it starts anew."""

MAX_FIELDS: Final = 32
"""The fields of a request whose shape is looked at."""

LONGEST: Final = 2048
"""What the fields of a request may count whose shape is remembered: 64 KB for all shapes of a connection."""


class RequestShape:
    """What requests have in common that differ in nothing but the values of some fields, such as path and trace.

    Args:
        model: The first of them.
        literals: Where its fields are that differ.
    """

    __slots__ = ("first", "fresh", "handed_on", "model", "path_at", "peer", "sent", "timeout_at")

    def __init__(self, model: RequestHead, literals: list[int]) -> None:
        fields = model.received
        self.model = model
        self.fresh: list[int] = literals
        """Where the values are that differ."""
        self.first: int = len(fields) - len(model.fields)
        """How many pseudo-headers there are."""
        self.path_at: int = 0
        """Where the path is."""
        self.timeout_at: int = 0
        """Where the `grpc-timeout` is, if there is one."""
        self.handed_on: list[int] = [at for at in literals if at >= self.first and not name_kind(fields[at][0]) & HOP]
        """Where the fields are that differ and that the next hop gets."""
        self.peer: Peer | None = None
        """The caller that `sent` was made for."""
        self.sent: tuple[Field, ...] = NO_FIELDS
        """What the next hop gets of all of them."""
        for at, (name, _) in enumerate(fields):
            if name == ":path":
                self.path_at = at
            elif name == "grpc-timeout":
                self.timeout_at = at

    def send(self, peer: Peer) -> tuple[Field, ...]:
        """Return the fields that go on of each request of this shape, for requests of a caller."""
        if self.peer is not peer:
            fields = self.model.received
            same = [
                field
                for at, field in enumerate(fields)
                if at >= self.first and at not in self.fresh and not name_kind(field[0]) & HOP
            ]
            self.peer = peer
            self.sent = (("te", "trailers"), *same, *peer.forwarded)
        return self.sent


def shape_of(head: RequestHead, literals: list[int]) -> RequestShape | None:
    """Return the shape of a request, or None when there is more to it than values: it is looked at each time."""
    if head.malformed or not head.grpc or not head.simple or head.protocol:
        return None
    names = [name for name, _ in head.received]
    for at in literals:
        name = names[at]
        if names.count(name) > 1 or (name not in (":path", "grpc-timeout") and (name[0] == ":" or name_kind(name))):
            return None
        if name == "cookie":
            return None  # whether it may be indexed depends on its length
    return RequestShape(head, literals)


class Shapes:
    """The shapes of a connection's requests."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[Field | str, ...], RequestShape] = {}
        """By what blocks of one shape have in common: their fields, but of those that came as literals the name."""

    def read(self, fields: list[Field], decoder: Decoder) -> RequestHead:
        """Return the head of a request.

        Args:
            fields: Its fields.
            decoder: What has decoded them just now.
        """
        literals = decoder.literals
        sensitive = decoder.sensitive
        size = decoder.size
        if not 0 < len(literals) < len(fields) <= MAX_FIELDS or decoder.too_large or not sensitive <= SECRET:
            return RequestHead(fields, sensitive, size)
        parts: list[Field | str] = [*fields]
        for at in literals:
            parts[at] = fields[at][0]
        key = tuple(parts)
        shape = self._shapes.get(key)
        head = RequestHead(fields, sensitive, size, shape)
        if shape is None and size <= LONGEST:
            shape = shape_of(head, literals)
            if shape is not None:
                if len(self._shapes) >= MAX_SHAPES:
                    self._shapes.clear()
                self._shapes[key] = shape
        return head
