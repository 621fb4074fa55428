"""The header block of a request.

What is wrong with a block by RFC 9113 section 8 makes it malformed, which ends its stream and not the connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from edge.model.call import NO_PARAMETERS, MetadataPairs
from edge.wire.heads import NO_FIELDS, NO_NAMES, Field, Head
from edge.wire.values import host_of

if TYPE_CHECKING:
    from edge.model.http import KeptHeaders
    from edge.model.snapshot import Snapshot
    from edge.wire.request_shape import RequestShape

_UNITS: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}

_KEPT_HOSTS: Final = 512
"""The authorities that are remembered in the process, 200 KB at most; when they are too many it starts anew."""

_LONGEST_HOST: Final = 255

_UNUSUAL: Final = frozenset("@ \x7f").union([chr(octet) for octet in range(32)])

_hosts: Final[dict[str, str]] = {}
"""The hosts of authorities that are fit to be in a request."""


class RequestHead(Head):
    """The header block of a request.

    Args:
        fields: Its fields.
        sensitive: The names that came never-indexed and have to leave so (RFC 7541 section 7.1.3).
        size: What the fields count, or -1.
        shape: What requests of this kind look like, or None. It has to be the one of these fields.
    """

    __slots__ = (
        "authority",
        "grpc",
        "headers",
        "host",
        "known",
        "metadata",
        "parameters",
        "path",
        "path_fields",
        "protocol",
        "request_id",
        "scheme",
        "shape",
        "snapshot",
        "timeout",
        "unary",
        "verb",
    )

    def __init__(
        self,
        fields: list[Field],
        sensitive: frozenset[str] = NO_NAMES,
        size: int = -1,
        shape: RequestShape | None = None,
    ) -> None:
        Head.__init__(self, fields, sensitive)  # super() takes its time, for every call
        self.size = size
        self.verb: str = ""
        """The method in upper case, as sent."""
        self.scheme: str = ""
        self.authority: str = ""
        self.path: str = ""
        self.protocol: str = ""
        """What an extended CONNECT is for (RFC 8441)."""
        self.grpc: bool = False
        """Whether it is a native gRPC call by its content type; then it should be a POST."""
        self.timeout: float = -1.0
        """The seconds of `grpc-timeout`, or -1 when there is none."""
        self.host: str = ""
        """The authority without port, in lower case."""
        self.path_fields: tuple[Field, ...] = NO_FIELDS
        """The path, as it goes on."""
        self.metadata: MetadataPairs = NO_FIELDS
        """The fields as the pipeline has them."""
        self.shape: RequestShape | None = None
        """What goes on of it, if that is simple."""
        # what was found for this block when it came before, good for one configuration
        self.snapshot: Snapshot | None = None
        self.parameters: Mapping[str, str] = NO_PARAMETERS
        self.unary: bool = False
        self.known: int = -1
        self.request_id: str = ""
        self.headers: KeptHeaders | None = None
        """The fields as plain HTTP has them, once they were looked at, of a block that comes again."""
        if shape is None or not self._take_on(shape):
            self._read(fields)

    def _take_on(self, shape: RequestShape) -> bool:
        """Read a block that differs from one before in values only; return whether these are fit for it."""
        fields = self.received
        for at in shape.fresh:
            value = fields[at][1]
            if not (value.isascii() and value.isprintable()):
                return False
            if " " in value and (at == shape.path_at or value[0] == " " or value[-1] == " "):
                return False
        path_field = fields[shape.path_at]
        path = path_field[1]
        if path[:1] != "/":
            return False
        model = shape.model
        self.path = path
        self.path_fields = (path_field,)
        self.verb = model.verb
        self.scheme = model.scheme
        self.authority = model.authority
        self.host = model.host
        self.content_type = model.content_type
        self.coding = model.coding
        self.accepted = model.accepted
        if model.content_length >= 0 or model.hosts:
            self.content_length = model.content_length
            self.hosts = model.hosts
            self.given_host = model.given_host
        self.grpc = True
        self.shape = shape
        self.metadata = self.fields = tuple(fields[shape.first :])
        if model.timed:
            self.timed = True
            self.timeout_text = fields[shape.timeout_at][1]
            self._read_timeout()
        return True

    def _read(self, fields: list[Field]) -> None:
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
