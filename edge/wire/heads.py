"""Header blocks as requests, answers and trailers, read once and kept for as long as the block stays the same.

What is wrong with a block by RFC 9113 section 8 makes it malformed, which ends its stream and not the connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from edge.model.call import NO_PARAMETERS, MetadataPairs
from edge.wire.names import BINARY, CONNECTION, HOP, KINDS, NAMED, TRACED, UNFIT, name_kind
from edge.wire.values import decode_binary, host_of

if TYPE_CHECKING:
    from edge.model.http import KeptHeaders
    from edge.model.snapshot import RoutePlan, Snapshot

Field = tuple[str, str]

_UNITS: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}

NO_FIELDS: Final[tuple[Field, ...]] = ()
NO_NAMES: Final[frozenset[str]] = frozenset()

_CODES: Final = frozenset(str(code) for code in range(17))

_KEPT_HOSTS: Final = 512
"""The authorities that are remembered in the process, 200 KB at most; when they are too many it starts anew."""

_LONGEST_HOST: Final = 255

_UNUSUAL: Final = frozenset("@ \x7f").union([chr(octet) for octet in range(32)])

_hosts: Final[dict[str, str]] = {}
"""The hosts of authorities that are fit to be in a request."""


class Head:
    """One header block.

    Args:
        fields: Its fields.
        sensitive: The names that came never-indexed and have to leave so (RFC 7541 section 7.1.3).
    """

    kept: bool = False
    """Whether the block is known to the connection, so that what is made of it is worth keeping."""
    malformed: str = ""
    """What is wrong with it, or the empty text."""
    oversized: bool = False
    """Whether it was larger than allowed, so that it is not whole."""
    size: int = -1
    """What its fields count (RFC 9113 section 6.5.2), or -1 when nobody has counted."""
    fields: tuple[Field, ...] = NO_FIELDS
    """The fields without pseudo-headers."""
    simple: bool = False
    """Whether what goes on of it is `onward`, whoever has sent it."""
    binary: bool = False
    """Whether a name ends with `-bin`."""
    lenient: bool = False
    """Whether blanks around values are no fault."""
    coding: str = ""
    """What messages are compressed with."""
    accepted: str = ""
    """What messages may be compressed with that come back."""
    content_type: str = ""
    content_length: int = -1
    """The length of the body by its header, or -1."""
    hosts: int = 0
    """How many `host` headers there are."""
    given_host: str = ""
    """The first of them."""
    timed: bool = False
    """Whether there is a `grpc-timeout`."""
    timeout_text: str = ""
    """What the first `grpc-timeout` said."""

    def __init__(self, fields: list[Field], sensitive: frozenset[str] = NO_NAMES) -> None:
        self.sensitive = sensitive
        self.received = fields
        """All fields, pseudo-headers included."""
        self.onward: list[Field] = []
        """The fields that the next hop gets if it is `simple`."""

    def read_fields(self, fields: list[Field], first: int) -> None:
        """Check and take the fields behind the pseudo-headers.

        Values that begin or end with a blank make a request malformed (RFC 9113 section 8.2.1). But gRPC's libraries
        send what applications put into metadata, and servers' messages, as they are: there the blanks go, and only
        those of `grpc-message`, which has its meaning whole, stay.
        """
        blank = ""
        simple = True
        found = fields[first:]
        onward = self.onward
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


class RequestHead(Head):
    """The header block of a request."""

    verb: str = ""
    """The method in upper case, as sent."""
    scheme: str = ""
    authority: str = ""
    path: str = ""
    protocol: str = ""
    """What an extended CONNECT is for (RFC 8441)."""
    grpc: bool = False
    """Whether it is a native gRPC call by its content type; then it should be a POST."""
    timeout: float = -1.0
    """The seconds of `grpc-timeout`, or -1 when there is none."""
    host: str = ""
    """The authority without port, in lower case."""
    path_fields: tuple[Field, ...] = NO_FIELDS
    """The path, as it goes on."""
    metadata: MetadataPairs = NO_FIELDS
    """The fields as the pipeline has them."""
    # what was found for this block when it came before, good for one configuration
    snapshot: Snapshot | None = None
    plan: RoutePlan | None = None
    parameters: Mapping[str, str] = NO_PARAMETERS
    unary: bool = False
    known: int = -1
    sent: tuple[Field, ...] = NO_FIELDS
    request_id: str = ""
    headers: KeptHeaders | None = None
    """The fields as plain HTTP has them, once they were looked at, of a block that comes again."""

    def __init__(self, fields: list[Field], sensitive: frozenset[str] = NO_NAMES, size: int = -1) -> None:
        super().__init__(fields, sensitive)
        self.size = size
        path = verb = scheme = authority = protocol = fault = ""
        first = 0
        for name, value in fields:
            if name == ":path":
                if path:
                    fault = "two paths"
                path = value
            elif name == ":method":
                if verb:
                    fault = "two methods"
                verb = value
            elif name == ":scheme":
                if scheme:
                    fault = "two schemes"
                scheme = value
            elif name == ":authority":
                if authority:
                    fault = "two authorities"
                authority = value
            elif name == ":protocol":
                protocol = value
            elif name[:1] == ":":
                fault = f"a request has no {name[:100]!r}"
            else:
                break
            first += 1
        self.path = path
        self.verb = verb
        self.scheme = scheme
        self.authority = authority
        self.protocol = protocol
        if fault:
            self.malformed = fault
            return
        if not verb or ((not path or not scheme) and (verb != "CONNECT" or protocol)):
            self.malformed = "the request lacks one of :method, :scheme and :path"
            return
        host = _hosts.get(authority) if authority else None
        usual = host is not None and verb == "POST" and not protocol and (scheme == "http" or scheme == "https")
        pseudo = path if usual else f"{path}{verb}{scheme}{authority}{protocol}"
        if not (pseudo.isascii() and pseudo.isprintable() and " " not in pseudo):
            self.malformed = "a pseudo-header holds what none does: blanks, control characters or what is not ASCII"
            return
        self.read_fields(fields, first)
        if self.malformed:
            return
        if not usual or self.hosts or path[0] != "/":
            fault = self._target_fault()
            if not authority:
                self.authority = authority = self.given_host
            host = _host_of(authority)
        assert host is not None, "the usual authority is known"
        self.host = host
        self.path_fields = ((":path", path),)
        kind = self.content_type
        self.grpc = kind == "application/grpc" or (kind[:16] == "application/grpc" and kind[16] in "+;")
        if self.grpc:
            # other requests get an answer that says so
            self.malformed = fault
            if self.timed:
                self._read_timeout()
            self.metadata = self.pairs() if self.binary else self.fields

    def _target_fault(self) -> str:
        """Return what is wrong with what is asked for (RFC 9113 sections 8.3.1 and 8.5, RFC 8441 section 4)."""
        if self.hosts and self.authority and self.given_host.lower() != self.authority.lower():
            return "the header `host` is another one than :authority"
        if "@" in self.authority:
            return "the :authority has user information in it"
        if self.verb == "CONNECT":
            if not self.authority:
                return "CONNECT without :authority"
            return "CONNECT with :scheme or :path" if not self.protocol and (self.scheme or self.path) else ""
        if self.protocol:
            return "the request has a :protocol and is no CONNECT"
        if self.path[0] != "/" and (self.path != "*" or self.verb != "OPTIONS"):
            return "the :path does not begin with a slash"
        return ""

    def _read_timeout(self) -> None:
        text = self.timeout_text
        digits = text[:-1]
        unit = _UNITS.get(text[-1:])
        if unit is not None and digits.isascii() and digits.isdigit() and len(digits) <= 8:
            self.timeout = int(digits) * unit
        else:
            self.timeout = -2.0


def _host_of(authority: str) -> str:
    """Return the host of an authority, and remember it if it is fit to come again."""
    host = host_of(authority)
    if 0 < len(authority) <= _LONGEST_HOST and _UNUSUAL.isdisjoint(authority) and authority.isascii():
        if len(_hosts) >= _KEPT_HOSTS:
            _hosts.clear()
        _hosts[authority] = host
    return host


class AnswerHead(Head):
    """The header block of an answer, its trailers, or the trailers of a request."""

    status: int = 0
    """The HTTP status; 0 in trailers."""
    code: int = -1
    """The gRPC status, or -1 when there is none. What is no number, or none that gRPC knows, is UNKNOWN."""
    message: str = ""
    """The message of the gRPC status, decoded."""
    plan: RoutePlan | None = None
    sent: tuple[Field, ...] = NO_FIELDS

    def __init__(self, fields: list[Field], sensitive: frozenset[str] = NO_NAMES, *, trailers: bool = False) -> None:
        super().__init__(fields, sensitive)
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
