"""What a case is made of: octets to send, and what is expected of the server.

A case is a conversation, read from top to bottom. Like h2spec it accepts for a connection error GOAWAY with the code or
just the end of the connection, and for a stream error RST_STREAM with the code, GOAWAY with it, or the end.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from tests.integration.wire.frames_client import Code, ping
from tests.integration.wire.place import Ask, Render
from tests.integration.wire.seen import Seen


@dataclass(frozen=True)
class Expect:
    """What the server does within the patience of a case."""

    words: str
    """What it is, for people."""

    met: Callable[[Seen], bool]
    """Whether it has happened."""

    wrong: Callable[[Seen], bool]
    """Whether it cannot happen any more."""


@dataclass(frozen=True)
class Upload:
    """A body, sent as far as the windows of the server allow."""

    stream: int
    """The stream."""

    octets: int
    """The size."""

    end: bool = True
    """Whether END_STREAM follows."""

    pad: int | None = None
    """The octets of padding of each frame."""

    piece: int = 16384
    """The most octets of a frame, padding included."""

    anyway: bool = False
    """Whether the server has reset the stream before."""


@dataclass(frozen=True)
class Slowly:
    """Octets that are sent one at a time."""

    of: Render | bytes
    """What is sent."""


@dataclass(frozen=True)
class Finish:
    """The end of what we send: FIN."""


Step = bytes | Render | Expect | Upload | Slowly | Finish


@dataclass(frozen=True)
class Case:
    """A rule and the conversation that shows whether it is kept."""

    rule: str
    """The section, as in `9113 6.5.2`; `generic` for what just has to work."""

    name: str
    """What the server does."""

    steps: tuple[Step, ...]
    """What is sent and expected."""

    raw: bool = False
    """Whether the case begins with the first octet of the connection, without preface and SETTINGS."""

    gateway: bool = False
    """Whether only our gateway promises this."""

    hello: tuple[tuple[int, int], ...] = ()
    """The settings that we begin with."""

    @property
    def needs(self) -> frozenset[Ask]:
        """The requests that the place must answer."""
        found: set[Ask] = set()
        for step in self.steps:
            inner = step.of if isinstance(step, Slowly) else step
            if isinstance(inner, Render):
                found |= inner.needs
        return frozenset(found)


def case(
    rule: str,
    name: str,
    *steps: Step | tuple[Step, ...],
    raw: bool = False,
    gateway: bool = False,
    hello: tuple[tuple[int, int], ...] = (),
) -> Case:
    """Return a case; steps that belong together may come as a tuple."""
    flat = tuple(itertools.chain.from_iterable(step if isinstance(step, tuple) else (step,) for step in steps))
    return Case(rule, name, flat, raw, gateway, hello)


def _over(seen: Seen) -> bool:
    """Whether the connection ends by an error or has ended."""
    return seen.closed or bool(seen.code)


def connection_error(*codes: Code) -> Expect:
    """The connection ends: GOAWAY with one of these codes and then its end, or just its end."""
    return Expect(
        f"a connection error {_names(codes)}",
        lambda seen: seen.closed and (not seen.code or seen.code in codes),
        lambda seen: bool(seen.code) and seen.code not in codes,
    )


def goaway_and_close(*codes: Code) -> Expect:
    """GOAWAY with one of these codes comes, and then the end of the connection."""
    return Expect(
        f"GOAWAY {_names(codes)} and the end of the connection",
        lambda seen: seen.closed and seen.code in codes,
        lambda seen: bool(seen.code) and seen.code not in codes,
    )


def stream_error(stream: int, *codes: Code) -> Expect:
    """The stream ends by RST_STREAM with one of these codes, or the connection as by `connection_error`."""

    def met(seen: Seen) -> bool:
        reset = seen.stream(stream).reset
        return reset in codes or seen.code in codes or (seen.closed and not seen.code)

    def wrong(seen: Seen) -> bool:
        reset = seen.stream(stream).reset
        return bool(reset) or bool(seen.code)

    return Expect(f"an error {_names(codes)} of stream {stream}", met, wrong)


def any_stream_error(*codes: Code) -> Expect:
    """Some stream ends by RST_STREAM with one of these codes, or the connection as by `connection_error`."""
    error = connection_error(*codes)
    return Expect(
        f"an error {_names(codes)} of some stream",
        lambda seen: any(stream.reset in codes for stream in seen.streams.values()) or error.met(seen),
        error.wrong,
    )


def only_stream_error(stream: int, *codes: Code) -> Expect:
    """The stream ends by RST_STREAM with one of these codes, and the connection lives."""
    return Expect(
        f"RST_STREAM {_names(codes)} of stream {stream} alone",
        lambda seen: seen.stream(stream).reset in codes,
        lambda seen: _over(seen) or seen.stream(stream).reset not in (None, *codes),
    )


def either(one: Expect, other: Expect) -> Expect:
    """One of two reactions."""
    return Expect(
        f"{one.words}, or {other.words}",
        lambda seen: one.met(seen) or other.met(seen),
        lambda seen: one.wrong(seen) and other.wrong(seen),
    )


def malformed(stream: int) -> Expect:
    """The request is malformed: PROTOCOL_ERROR as a stream error, or an answer 4xx (RFC 9113 8.1.1)."""
    error = stream_error(stream, Code.PROTOCOL_ERROR)

    def met(seen: Seen) -> bool:
        return seen.stream(stream).status.startswith("4") or error.met(seen)

    def wrong(seen: Seen) -> bool:
        status = seen.stream(stream).status
        return error.wrong(seen) or (bool(status) and not status.startswith("4"))

    return Expect(f"PROTOCOL_ERROR or 4xx for stream {stream}", met, wrong)


def answered(stream: int = 1, *, status: str = "", octets: int = 0) -> Expect:
    """An answer comes to its end, with at least these octets."""

    def met(seen: Seen) -> bool:
        found = seen.stream(stream)
        return (
            found.headers is not None
            and found.ended
            and (not status or found.status == status)
            and found.octets >= octets
        )

    def wrong(seen: Seen) -> bool:
        # an answer that was complete may be followed by RST_STREAM NO_ERROR (RFC 9113 8.1)
        found = seen.stream(stream)
        return _over(seen) or bool(found.reset) or (found.ended and not met(seen))

    return Expect(f"an answer {status} on stream {stream}".replace("  ", " "), met, wrong)


def headed(stream: int = 1) -> Expect:
    """The header block of an answer comes."""
    return Expect(
        f"HEADERS on stream {stream}",
        lambda seen: seen.stream(stream).headers is not None,
        lambda seen: _over(seen) or seen.stream(stream).reset is not None,
    )


def octets(stream: int, count: int) -> Expect:
    """So many octets of DATA come, and not more."""
    return Expect(
        f"{count} octets of DATA on stream {stream}",
        lambda seen: seen.stream(stream).octets == count,
        lambda seen: _over(seen) or seen.stream(stream).reset is not None or seen.stream(stream).octets > count,
    )


def acknowledged(count: int) -> Expect:
    """So many SETTINGS are acknowledged; the first is that of the preface."""
    return Expect(f"{count} acknowledged SETTINGS", lambda seen: seen.acks == count, _over)


def pong(payload: bytes) -> Expect:
    """PING is answered with the same payload."""
    return Expect(f"PING ACK {payload!r}", lambda seen: payload in seen.pongs, _over)


def closed() -> Expect:
    """The connection ends, whatever was said before."""
    return Expect("the end of the connection", lambda seen: seen.closed, lambda _: False)


def spoken(words: str) -> Expect:
    """The server answers in HTTP/1."""
    return Expect(f"HTTP/1: {words}", lambda seen: words in seen.spoken, lambda seen: seen.closed and not seen.spoken)


def refused_text() -> Expect:
    """What is no HTTP/2 preface ends the connection, with or without words of HTTP/1 or GOAWAY."""
    return Expect(
        "the end of the connection, or 400 in HTTP/1",
        lambda seen: seen.closed or seen.spoken.startswith(("HTTP/1.1 400", "HTTP/1.0 400")),
        lambda _: False,
    )


_numbers = itertools.count()


def alive(*streams: int) -> tuple[Step, ...]:
    """What went before is ignored: a PING is still answered, and none of these streams is reset."""
    payload = b"%08d" % next(_numbers)
    met = pong(payload).met
    return (
        ping(payload),
        Expect(
            "a connection that lives",
            met,
            lambda seen: _over(seen) or any(seen.stream(number).reset is not None for number in streams),
        ),
    )


def ignored_or(stream: int, *codes: Code) -> tuple[Step, ...]:
    """What went before may be ignored, or be an error of the stream or the connection."""
    send, expect = alive()
    assert isinstance(expect, Expect)
    error = stream_error(stream, *codes)
    return (
        send,
        Expect(
            f"a connection that lives or {error.words}",
            lambda seen: error.met(seen) or expect.met(seen),
            lambda seen: bool(seen.code) and seen.code not in codes,
        ),
    )


def quiet(stream: int, count: int = 0) -> tuple[Step, ...]:
    """No more than so many octets of DATA have come by the time a PING is answered."""
    send, expect = alive()
    assert isinstance(expect, Expect)
    return (
        send,
        Expect(
            f"no more than {count} octets on stream {stream}",
            lambda seen: expect.met(seen) and seen.stream(stream).octets == count,
            lambda seen: expect.wrong(seen) or seen.stream(stream).octets > count,
        ),
    )


def _names(codes: tuple[Code, ...]) -> str:
    return " or ".join(code.name for code in codes)
