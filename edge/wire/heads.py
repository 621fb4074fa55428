"""Header blocks as answers and trailers, and what they share with requests: read once, kept while they stay the same.

What is wrong with a block by RFC 9113 section 8 makes it malformed, which ends its stream and not the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from edge.model.call import MetadataPairs
from edge.wire.names import BINARY, CONNECTION, HOP, KINDS, NAMED, TRACED, UNFIT, name_kind
from edge.wire.values import decode_binary

if TYPE_CHECKING:
    from edge.model.snapshot import RoutePlan

Field = tuple[str, str]

NO_FIELDS: Final[tuple[Field, ...]] = ()
NO_NAMES: Final[frozenset[str]] = frozenset()

_CODES: Final = frozenset(str(code) for code in range(17))


_NOTHING: Final[list[Field]] = []
"""Never filled."""


class Head:
    """One header block.

    Args:
        fields: Its fields.
        sensitive: The names that came never-indexed and have to leave so (RFC 7541 section 7.1.3).
    """

    # attributes of instances, and in slots: Python 3.11 takes ten times as long to find a default in the class
    __slots__ = (
        "accepted",
        "binary",
        "coding",
        "content_length",
        "content_type",
        "fields",
        "given_host",
        "hosts",
        "kept",
        "lenient",
        "malformed",
        "onward",
        "oversized",
        "plan",
        "received",
        "sensitive",
        "sent",
        "simple",
        "size",
        "timed",
        "timeout_text",
    )

    def __init__(self, fields: list[Field], sensitive: frozenset[str] = NO_NAMES) -> None:
        self.sensitive = sensitive
        self.received = fields
        """All fields, pseudo-headers included."""
        self.kept: bool = False
        """Whether the block is known to the connection, so that what is made of it is worth keeping."""
        self.malformed: str = ""
        """What is wrong with it, or the empty text."""
        self.oversized: bool = False
        """Whether it was larger than allowed, so that it is not whole."""
        self.size: int = -1
        """What its fields count (RFC 9113 section 6.5.2), or -1 when nobody has counted."""
        self.fields: tuple[Field, ...] = NO_FIELDS
        """The fields without pseudo-headers."""
        self.onward: list[Field] = _NOTHING
        """The fields that the next hop gets if it is `simple`."""
        self.simple: bool = False
        """Whether what goes on of it is `onward`, whoever has sent it."""
        self.binary: bool = False
        """Whether a name ends with `-bin`."""
        self.lenient: bool = False
        """Whether blanks around values are no fault."""
        self.coding: str = ""
        """What messages are compressed with."""
        self.accepted: str = ""
        """What messages may be compressed with that come back."""
        self.content_type: str = ""
        self.content_length: int = -1
        """The length of the body by its header, or -1."""
        self.hosts: int = 0
        """How many `host` headers there are."""
        self.given_host: str = ""
        """The first of them."""
        self.timed: bool = False
        """Whether there is a `grpc-timeout`."""
        self.timeout_text: str = ""
        """What the first `grpc-timeout` said."""
        self.plan: RoutePlan | None = None
        """The route that `sent` was made for."""
        self.sent: tuple[Field, ...] = NO_FIELDS
        """What was made of the fields for the next hop when the same block came before."""

    def read_fields(self, fields: list[Field], first: int) -> None:
        """Check and take the fields behind the pseudo-headers.

        Values that begin or end with a blank make a request malformed (RFC 9113 section 8.2.1). But gRPC's libraries
        send what applications put into metadata, and servers' messages, as they are: there the blanks go, and only
        those of `grpc-message`, which has its meaning whole, stay.
        """
        blank = ""
        simple = True
        found = fields[first:]
        onward: list[Field] = []
        self.onward = onward
        kinds = KINDS
        for field in found:
            name, value = field
            kind = kinds.get(name, -1)
            if kind < 0:
                kind = name_kind(name)
            if not kind & HOP:
                onward.append(field)
            if kind:
                if kind & UNFIT:
                    self.malformed = f"the header name {name[:100]!r} does not fit into HTTP/2"
                    return
                if kind & CONNECTION and (name != "te" or value != "trailers"):
                    self.malformed = f"the header `{name}` belongs to HTTP/1.1 and not into HTTP/2"
                    return
                if kind & NAMED:
                    if name == "content-type":
                        self.content_type = value
                    elif name == "grpc-encoding":
                        self.coding = value
                    elif name == "grpc-accept-encoding":
                        self.accepted = f"{self.accepted},{value}" if self.accepted else value
                    elif name == "content-length":
                        if not self._read_length(value):
                            return
                    elif name == "host":
                        if not self.hosts:
                            self.given_host = value.strip(" \t")
                        self.hosts += 1
                    elif not self.timed:
                        self.timed = True
                        self.timeout_text = value.strip(" \t")
                elif kind & BINARY:
                    self.binary = True
                elif kind & TRACED:
                    simple = False
            if not value.isprintable() or " " in value:
                if "\0" in value or "\r" in value or "\n" in value:
                    self.malformed = f"the value of the header `{name}` has a line break or NUL in it"
                    return
                if value[0] in " \t" or value[-1] in " \t":
                    blank = name
                if not value.isprintable():
                    simple = False
            if not value.isascii():
                simple = False
        if blank and not self.lenient and not self.content_type.startswith("application/grpc"):
            self.malformed = f"the value of the header `{blank}` begins or ends with a blank"
            return
        self.simple = simple and not blank and not self.binary
        if blank:
            found = [(name, value if name == "grpc-message" else value.strip(" \t")) for name, value in found]
        if self.binary:
            # each value for itself and without padding (gRPC doc/PROTOCOL-HTTP2.md); not every library splits them
            found = [
                (name, part.strip(" ").rstrip("=") if name.endswith("-bin") else part)
                for name, value in found
                for part in (value.split(",") if name.endswith("-bin") else (value,))
            ]
        self.fields = tuple(found)

    def _read_length(self, value: str) -> bool:
        if not (value.isascii() and value.isdigit()) or len(value) > 18:
            self.malformed = "the header `content-length` is not a number"
            return False
        length = int(value)
        if self.content_length not in (-1, length):
            self.malformed = "the header `content-length` says two things"
            return False
        self.content_length = length
        return True

    def received_fields(self) -> tuple[Field, ...]:
        """Return all fields, pseudo-headers included."""
        return tuple(self.received)

    def header(self, name: str) -> str | None:
        """Return the first value of a field by its lower-case name, or None."""
        for key, value in self.fields:
            if key == name:
                return value
        return None

    def pairs(self) -> MetadataPairs:
        """Return the fields as the pipeline has them: the values of `-bin` names as bytes, each of a list its own."""
        if not self.binary:
            return self.fields
        found: list[tuple[str, str | bytes]] = []
        for name, value in self.fields:
            if name.endswith("-bin"):
                found.extend([(name, decode_binary(part)) for part in value.split(",")])
            else:
                found.append((name, value))
        return found


class AnswerHead(Head):
    """The header block of an answer, its trailers, or the trailers of a request."""

    __slots__ = ("code", "message", "status")

    def __init__(self, fields: list[Field], sensitive: frozenset[str] = NO_NAMES, *, trailers: bool = False) -> None:
        super().__init__(fields, sensitive)
        self.status: int = 0
        """The HTTP status; 0 in trailers."""
        self.code: int = -1
        """The gRPC status, or -1 when there is none. What is no number, or none that gRPC knows, is UNKNOWN."""
        self.message: str = ""
        """The message of the gRPC status, decoded."""
        self.lenient = True
        self._read(fields, trailers)

    def _read(self, fields: list[Field], trailers: bool) -> None:
        first = 0
        if fields and fields[0][0] == ":status" and not trailers:
            value = fields[0][1]
            if len(value) == 3 and value.isascii() and value.isdigit():
                self.status = int(value)
            first = 1
        if not trailers and self.status < 100:
            self.malformed = "the answer has no :status"
            return
        self.read_fields(fields, first)
        if self.malformed:
            return
        for name, value in self.fields:
            if name == "grpc-status":
                self.code = int(value) if value in _CODES else 2
            elif name == "grpc-message":
                self.message = unquote(value, errors="replace") if "%" in value else value
