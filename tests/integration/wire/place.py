"""The server that cases are played against: what it answers, and in which words one asks it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tests.integration.wire.frames_client import Field, Setting, block, continuation, headers


class Inapplicable(Exception):
    """A case asks for what the server does not offer; the message says what."""


class Ask(enum.Enum):
    """The requests that a place answers."""

    GET = "without a body, answered with some octets"
    BIG = "without a body, answered with 200,000 octets"
    POST = "with a body, answered after all of it"
    HANG = "with a body that nobody reads, never answered"


_DEFAULTS = {
    Setting.HEADER_TABLE_SIZE: 4096,
    Setting.MAX_CONCURRENT_STREAMS: 0,
    Setting.INITIAL_WINDOW_SIZE: 65535,
    Setting.MAX_FRAME_SIZE: 16384,
}


@dataclass(frozen=True)
class Place:
    """A server."""

    address: str
    """Host and port."""

    asks: Mapping[Ask, tuple[Field, ...]]
    """The header fields of the requests it answers."""

    body: Callable[[int], bytes]
    """Makes a body of a number of octets that it takes."""

    gateway: bool = False
    """Whether it is our gateway: HTTP/1.1 on the same port, streams that end alone."""

    settings: Mapping[int, int] = field(default_factory=dict)
    """The settings of the connection that a case is played on."""

    def setting(self, name: Setting) -> int:
        """Return a setting of the server or its default; without a limit of streams 0."""
        return self.settings.get(name, _DEFAULTS[name])


def plain_place(address: str, path: str = "/", big: str = "") -> Place:
    """Return the place of any HTTP server with a file, and a large one when there is one."""

    def fields(method: str, of: str) -> tuple[Field, ...]:
        return ((":method", method), (":scheme", "http"), (":path", of), (":authority", address))

    asks = {Ask.GET: fields("GET", path), Ask.POST: fields("POST", path)}
    if big:
        asks[Ask.BIG] = fields("GET", big)
    return Place(address, asks, bytes)


@dataclass(frozen=True)
class Request:
    """A header block that a place answers, with changes that a case makes to it."""

    ask: Ask = Ask.GET
    """Which request."""

    drop: tuple[str, ...] = ()
    """The fields left out."""

    put: tuple[Field, ...] = ()
    """The fields with another value."""

    add: tuple[Field, ...] = ()
    """The fields beside: pseudo-header fields after the others of their kind, regular ones at the end."""

    last: tuple[Field, ...] = ()
    """Fields at the end, of any kind."""

    def fields(self, place: Place) -> list[Field]:
        """Return the header fields."""
        changed = dict(self.put)
        kept = [(name, changed.get(name, value)) for name, value in place.asks[self.ask] if name not in self.drop]
        every = [*kept, *self.add]
        pseudo = [field for field in every if field[0].startswith(":")]
        return [*pseudo, *(field for field in every if not field[0].startswith(":")), *self.last]

    def block(self, place: Place) -> bytes:
        """Return the header block."""
        return block(self.fields(place))


@dataclass(frozen=True)
class Render:
    """Octets that depend on the place."""

    make: Callable[[Place], bytes]
    """Makes them."""

    needs: frozenset[Ask] = frozenset()
    """The requests that the place must answer."""


def ask(
    stream: int = 1,
    kind: Ask = Ask.GET,
    *,
    end: bool | None = None,
    pad: int | None = None,
    priority: bytes = b"",
    drop: Iterable[str] = (),
    put: Iterable[Field] = (),
    add: Iterable[Field] = (),
    last: Iterable[Field] = (),
) -> Render:
    """Return HEADERS of a request; END_STREAM is set when it has no body, unless `end` says otherwise."""
    request = Request(kind, tuple(drop), tuple(put), tuple(add), tuple(last))
    ends = kind in (Ask.GET, Ask.BIG) if end is None else end
    return Render(
        lambda place: headers(stream, request.block(place), end=ends, pad=pad, priority=priority), frozenset({kind})
    )


def of_block(make: Callable[[bytes], bytes], kind: Ask = Ask.GET) -> Render:
    """Return what is made of the header block of a request."""
    request = Request(kind)
    return Render(lambda place: make(request.block(place)), frozenset({kind}))


def pieces(stream: int, count: int, *, end: bool = True) -> Render:
    """Return a request as HEADERS and this number of CONTINUATION frames."""

    def make(found: bytes) -> bytes:
        size = -(-len(found) // (count + 1))
        parts = [found[at : at + size] for at in range(0, len(found), size)]
        rest = [continuation(stream, part, last=False) for part in parts[1:-1]]
        return b"".join((headers(stream, parts[0], end=end, last=False), *rest, continuation(stream, parts[-1])))

    return of_block(make)


def cut(size: int, make: Callable[[bytes, bytes], bytes]) -> Render:
    """Return what is made of the first octets of a request's header block and the others."""
    return of_block(lambda found: make(found[:size], found[size:]))


def body(octets: int, make: Callable[[bytes], bytes]) -> Render:
    """Return what is made of a body."""
    return Render(lambda place: make(place.body(octets)))


def above(make: Callable[[int], bytes]) -> Render:
    """Return what is made of a payload size above the largest frame that the server takes."""
    return Render(lambda place: make(place.setting(Setting.MAX_FRAME_SIZE) + 1))


def above_streams() -> Render:
    """Return the HEADERS of one stream more than the server takes at once."""

    def make(place: Place) -> bytes:
        limit = place.setting(Setting.MAX_CONCURRENT_STREAMS)
        if not limit:
            raise Inapplicable("the server has no limit of streams")
        found = Request(Ask.POST).block(place)
        return b"".join(headers(number, found, end=False) for number in range(1, 2 * limit + 2, 2))

    return Render(make, frozenset({Ask.POST}))
