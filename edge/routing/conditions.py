"""What a call is asked besides its method or path: host, verb, headers, query parameters.

Everything here is compiled when the configuration changes; `holds`, `call_verb` and `normal_host` run in every call
that needs them.
"""

from __future__ import annotations

import enum
import functools
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from edge.model.call import Call, Protocol
from edge.model.config import ValueMatch


@dataclass(frozen=True, slots=True)
class HostPattern:
    """A host name, or the names that end in one."""

    name: str
    """The name in lower case, without `*.`, port and brackets."""

    wildcard: bool = False
    """Whether one or more labels have to be in front of the name."""

    @property
    def rank(self) -> tuple[int, int]:
        """How specific it is: of two patterns that take one host the larger rank is the more specific one."""
        return (1, self.name.count(".") + 1) if self.wildcard else (2, 0)

    def takes(self, host: str) -> bool:
        """Return whether a host fits, as `normal_host` returns it."""
        if not self.wildcard:
            return host == self.name
        return len(host) > len(self.name) + 1 and host.endswith("." + self.name)

    def __str__(self) -> str:
        """Return the pattern as it is written in a configuration."""
        return f"*.{self.name}" if self.wildcard else self.name


ANY_HOST_RANK = (0, 0)
"""The rank of a match without hosts."""


def normal_host(host: str) -> str:
    """Return a host in lower case, without port, brackets and the dot at the end. Any text will do."""
    if ":" in host:
        if host.startswith("["):
            host = host[1:].partition("]")[0]
        elif host.count(":") == 1:  # more are an IPv6 address without brackets
            host = host.partition(":")[0]
    return host.rstrip(".").lower()


def parse_host(text: str) -> HostPattern:
    """Parse a host of a configuration.

    Raises:
        ValueError: it is wrong; the message says how to mend it.
    """
    wildcard = text.startswith("*.")
    rest = text[2:] if wildcard else text
    if not rest:
        raise ValueError(f"host {text!r} has no name; write one, or leave `hosts` out for any host")
    if "*" in rest:
        hint = f"write `*.{rest.rpartition('*')[2].lstrip('.') or 'example.com'}`, or leave `hosts` out for any host"
        raise ValueError(f"host {text!r} has a `*` that is not the whole first label; {hint}")
    name = normal_host(rest)
    if rest.count(":") == 1 or (rest.startswith("[") and not rest.endswith("]")):
        raise ValueError(f"host {text!r} has a port; leave it out: {name!r}")
    if "/" in rest or any(char.isspace() for char in rest):
        raise ValueError(f"host {text!r} is no host name; write the name only, as in `shop.example.com`")
    if not all(name.split(".")):
        raise ValueError(f"host {text!r} has an empty label; write one dot between labels")
    return HostPattern(name, wildcard)


def is_grpc_path(segments: list[str]) -> bool:
    """Return whether the raw segments of a path are those of `/service/Method`."""
    return len(segments) == 3 and not segments[0] and segments[1] != "" and segments[2] != ""


def call_verb(call: Call) -> str:
    """Return the verb that `http` matches see.

    A call that stands for a gRPC method has POST whatever its caller speaks, so that one method has one route. Any
    other call has its own verb, or POST when it came by gRPC and has none.
    """
    if call.protocol is Protocol.HTTP:
        return call.verb
    return "POST" if is_grpc_path(call.method.split("/")) else call.verb or "POST"


def expand_verbs(verbs: Iterable[str]) -> frozenset[str]:
    """Return the verbs that are met: those given, and HEAD where GET is. Empty means any."""
    found = frozenset(verb.upper() for verb in verbs)
    return found | {"HEAD"} if "GET" in found else found


class Where(enum.Enum):
    """What a condition looks at."""

    HEADER = "header"
    QUERY = "query parameter"


class Compare(enum.IntEnum):
    """How a condition compares. The larger one is the more specific one; ABSENT counts as PRESENT does."""

    ABSENT = 0
    PRESENT = 1
    PREFIX = 2
    EXACT = 3


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a header or a query parameter. One fitting value of several is enough."""

    where: Where
    """What it looks at."""

    name: str
    """The name; in lower case for headers."""

    compare: Compare
    """How it compares."""

    text: str = ""
    """What it compares with. For a `-bin` header that is base64 without padding, as on the wire."""

    def holds(self, call: Call) -> bool:
        """Return whether a call meets the condition."""
        values = values_of(self.where, self.name, call)
        if self.compare is Compare.EXACT:
            return self.text in values
        if self.compare is Compare.PREFIX:
            return any(value.startswith(self.text) for value in values)
        return bool(values) is (self.compare is Compare.PRESENT)

    def excludes(self, other: Condition) -> bool:
        """Return whether no call with one value of the name meets both conditions.

        A call may repeat a header and so meet `x = 1` and `x = 2`; nobody means that, so it is no reason to refuse two
        routes that a value tells apart. The table decides such a call by the routes' names.
        """
        if self.name != other.name or self.where is not other.where:
            return False
        less, more = sorted((self, other), key=lambda condition: condition.compare)
        if less.compare is Compare.ABSENT:
            return more.compare is not Compare.ABSENT
        if less.compare is Compare.PRESENT:
            return False
        if less.compare is Compare.EXACT:
            return less.text != more.text
        if more.compare is Compare.EXACT:
            return not more.text.startswith(less.text)
        return not (more.text.startswith(less.text) or less.text.startswith(more.text))

    def __str__(self) -> str:
        """Return the condition for people, as in `header x-tenant is present`."""
        words = {
            Compare.ABSENT: "is absent",
            Compare.PRESENT: "is present",
            Compare.PREFIX: f"begins with {self.text!r}",
            Compare.EXACT: f"equals {self.text!r}",
        }
        return f"{self.where.value} {self.name} {words[self.compare]}"


def compile_condition(where: Where, match: ValueMatch) -> Condition:
    """Compile a condition of a configuration.

    Raises:
        ValueError: it is wrong; the message says how to mend it.
    """
    name = match.name.lower() if where is Where.HEADER else match.name
    if not name:
        raise ValueError(f"a {where.value} condition needs a name; add `name`")
    given = [value is not None for value in (match.exact, match.prefix, match.present)]
    ways = "exact, prefix, present" if where is Where.HEADER else "exact, present"
    if sum(given) != 1 or (match.prefix is not None and where is Where.QUERY):
        raise ValueError(f"the condition on {where.value} {name} has to set one of {ways}")
    if match.present is not None:
        return Condition(where, name, Compare.PRESENT if match.present else Compare.ABSENT)
    binary = where is Where.HEADER and name.endswith("-bin")
    if match.exact is not None:
        return Condition(where, name, Compare.EXACT, match.exact.rstrip("=") if binary else match.exact)
    return Condition(where, name, Compare.PREFIX, match.prefix or "")


def values_of(where: Where, name: str, call: Call) -> list[str]:
    """Return the values a call has under a name. Bytes are given as base64 without padding, as on the wire."""
    pairs = call.metadata if where is Where.HEADER else _query(call.query)
    return [
        value if isinstance(value, str) else b64encode(value).decode("ascii").rstrip("=")
        for key, value in pairs
        if key == name
    ]


@functools.lru_cache(maxsize=8)
def _query(text: str) -> tuple[tuple[str, str], ...]:
    """Return names and values, decoded. The few kept ones serve the other conditions of the same call."""
    return tuple(parse_qsl(text, keep_blank_values=True))
