"""Flow control and the limit of streams (RFC 9113 5.1.2, 5.2, 6.9)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.integration.wire.frames_client import (
    LARGEST,
    Code,
    Setting,
    Type,
    data,
    frame,
    ping,
    rst_stream,
    settings,
    window_update,
)
from tests.integration.wire.place import Ask, above_streams, ask
from tests.integration.wire.steps import (
    Case,
    Step,
    Upload,
    acknowledged,
    alive,
    answered,
    any_stream_error,
    case,
    connection_error,
    headed,
    octets,
    quiet,
    stream_error,
)

FLOW = Code.FLOW_CONTROL_ERROR
BAD = Code.PROTOCOL_ERROR
SIZE = Code.FRAME_SIZE_ERROR


def _window(size: int) -> tuple[int, int]:
    return (Setting.INITIAL_WINDOW_SIZE, size)


def _abandoned() -> Iterator[Step]:
    """2.4 MB in 40 streams that the client resets."""
    for number in range(1, 80, 2):
        yield from (ask(number, Ask.POST), Upload(number, 60_000, end=False), rst_stream(number))


def _unheard() -> Iterator[Step]:
    """2.4 MB in 40 streams that the server has reset before."""
    for number in range(1, 80, 2):
        yield from (ask(number, Ask.POST), window_update(number, 0), stream_error(number, BAD))
        yield Upload(number, 60_000, end=False, anyway=True)


def _octet_by_octet() -> Iterator[Step]:
    for count in range(1, 21):
        yield from (window_update(1, 1), octets(1, count))


FRAME_CASES = (
    case("9113 6.9", "WINDOW_UPDATE by 0 on the connection", window_update(0, 0), connection_error(BAD)),
    case("9113 6.9", "WINDOW_UPDATE by 0 on a stream", ask(1, Ask.POST), window_update(1, 0), stream_error(1, BAD)),
    case("9113 6.9", "the reserved bit of an increment is ignored", window_update(0, 1 | 1 << 31), alive()),
    case("9113 6.9", "the reserved bit alone is an increment of 0", window_update(0, 1 << 31), connection_error(BAD)),
    case("9113 6.9", "WINDOW_UPDATE of three octets",
         frame(Type.WINDOW_UPDATE, 0, 0, bytes(3)), connection_error(SIZE)),
    case("9113 6.9", "WINDOW_UPDATE of five octets",
         frame(Type.WINDOW_UPDATE, 0, 0, b"\0\0\0\1\0"), connection_error(SIZE)),
    case("9113 6.9", "WINDOW_UPDATE of three octets on a stream",
         ask(1, Ask.POST), frame(Type.WINDOW_UPDATE, 0, 1, bytes(3)), connection_error(SIZE)),
)  # fmt: skip

RECEIVE_CASES = (
    case("9113 6.9", "a body above every window is taken as it is read",
         ask(1, Ask.POST), Upload(1, 1 << 20), answered()),
    case("9113 6.9", "padding counts, and its credit comes back",
         ask(1, Ask.POST), Upload(1, 100_000, pad=255, piece=512), answered()),
    case("9113 6.9", "a body in frames of 100 octets is taken",
         ask(1, Ask.POST), Upload(1, 100_000, piece=100), answered()),
    case("9113 6.9", "two bodies share the window of the connection",
         ask(1, Ask.POST), ask(3, Ask.POST), Upload(1, 300_000), Upload(3, 300_000), answered(1), answered(3)),
    case("9113 6.9", "DATA of a stream that the client resets gives its credit back to the connection",
         tuple(_abandoned()), ask(101, Ask.POST), Upload(101, 200_000), answered(101)),
    case("9113 6.9", "DATA after RST_STREAM of the server gives its credit back to the connection",
         tuple(_unheard()), ask(101, Ask.POST), Upload(101, 200_000), answered(101), gateway=True),
    case("9113 6.9.1", "DATA far above the window of a stream that nobody reads",
         ask(1, Ask.HANG, end=False), data(1, bytes(16384)) * 2048, stream_error(1, FLOW), gateway=True),
    case("9113 6.9.1", "empty DATA is taken without a window",
         ask(1, Ask.POST), data(1) * 10, Upload(1, 20, end=False), data(1, end=True), answered()),
)  # fmt: skip

SEND_CASES = (
    case("9113 6.9.1", "a window of one octet is obeyed",
         ask(), headed(), octets(1, 1), quiet(1, 1), hello=(_window(1),)),
    case("9113 6.9.1", "without a window HEADERS come and no DATA",
         ask(), headed(), quiet(1), window_update(1, 1 << 16), answered(), hello=(_window(0),)),
    case("9113 6.9.1", "an answer may be fetched one octet at a time",
         ask(), headed(), tuple(_octet_by_octet()), quiet(1, 20), window_update(1, 1 << 16), answered(),
         hello=(_window(0),)),
    case("9113 6.9.1", "the windows of 65535 octets are obeyed", ask(1, Ask.BIG), octets(1, 65535), quiet(1, 65535)),
    case("9113 6.9.1", "a large window of a stream does not widen that of the connection",
         ask(1, Ask.BIG), octets(1, 65535), window_update(1, 1 << 20), quiet(1, 65535),
         window_update(0, 1), octets(1, 65536), quiet(1, 65536), window_update(0, 1 << 20), answered(octets=200_000)),
    case("9113 6.9.1", "a large window of the connection does not widen that of a stream",
         window_update(0, 1 << 20), ask(1, Ask.BIG), octets(1, 65535), quiet(1, 65535),
         window_update(1, 10), octets(1, 65545), quiet(1, 65545), window_update(1, 1 << 20), answered(octets=200_000)),
    case("9113 6.9.1", "a stream without a window does not hinder another",
         window_update(0, 1 << 20), ask(1, Ask.BIG), octets(1, 65535), ask(3), answered(3),
         window_update(1, 1 << 20), answered(1, octets=200_000)),
    case("9113 6.9.1", "two large answers come to their end",
         ask(1, Ask.BIG), ask(3, Ask.BIG), window_update(1, 1 << 20), window_update(3, 1 << 20),
         window_update(0, 1 << 20), answered(1, octets=200_000), answered(3, octets=200_000)),
    case("9113 6.9.1", "PING is answered while an answer waits for a window",
         ask(), headed(), ping(b"waiting!"), alive(1), window_update(1, 1 << 16), answered(), hello=(_window(0),)),
    case("9113 6.9.1", "the window of the connection above 2^31-1",
         window_update(0, LARGEST), window_update(0, LARGEST), connection_error(FLOW)),
    case("9113 6.9.1", "the window of the connection above 2^31-1 by one",
         window_update(0, LARGEST - 65534), connection_error(FLOW)),
    case("9113 6.9.1", "the window of the connection of 2^31-1 is taken", window_update(0, LARGEST - 65535), alive()),
    case("9113 6.9.1", "the window of a stream above 2^31-1",
         ask(1, Ask.POST), window_update(1, LARGEST), window_update(1, LARGEST), stream_error(1, FLOW)),
    case("9113 6.9.1", "the window of a stream above 2^31-1 by one",
         ask(1, Ask.POST), window_update(1, LARGEST - 65534), stream_error(1, FLOW)),
    case("9113 6.9.1", "the window of a stream of 2^31-1 is taken",
         ask(1, Ask.POST), window_update(1, LARGEST - 65535), alive(1)),
)  # fmt: skip

CHANGE_CASES = (
    case("9113 6.9.2", "a larger initial window widens open streams",
         ask(), headed(), quiet(1), settings(_window(1)), octets(1, 1), quiet(1, 1),
         settings(_window(5)), octets(1, 5), quiet(1, 5), hello=(_window(0),)),
    case("9113 6.9.2", "a smaller initial window makes windows negative",
         ask(), octets(1, 3), settings(_window(1)), acknowledged(2), quiet(1, 3),
         window_update(1, 1), window_update(1, 1), quiet(1, 3), window_update(1, 1), octets(1, 4), quiet(1, 4),
         hello=(_window(3),)),
    case("9113 6.9.2", "a larger initial window does not widen the connection",
         settings(_window(1 << 20)), acknowledged(2), ask(1, Ask.BIG), octets(1, 65535), quiet(1, 65535)),
    case("9113 6.9.2", "an initial window that puts a stream above 2^31-1",
         ask(1, Ask.POST), window_update(1, LARGEST - 65535), alive(1), settings(_window(65536)),
         connection_error(FLOW)),
    case("9113 6.9.2", "an initial window above 2^31-1", settings(_window(LARGEST + 1)), connection_error(FLOW)),
    case("9113 6.9.2", "credit given before the answer counts",
         ask(1, Ask.POST), window_update(1, 4), Upload(1, 20), octets(1, 4), quiet(1, 4), hello=(_window(0),)),
    case("9113 6.9.3", "a window taken back and given again lets an answer go on",
         ask(), octets(1, 10), settings(_window(0)), acknowledged(2), quiet(1, 10), settings(_window(1 << 16)),
         answered(),
         hello=(_window(10),)),
)  # fmt: skip


def _sequence(first: int, count: int) -> tuple[Step, ...]:
    numbers = range(first, first + 2 * count, 2)
    return (*(ask(number) for number in numbers), *(answered(number) for number in numbers))


STREAM_CASES = (
    case("9113 5.1.2", "more streams than MAX_CONCURRENT_STREAMS",
         above_streams(), any_stream_error(BAD, Code.REFUSED_STREAM)),
    case("9113 5.1.2", "streams that are closed do not count", *(_sequence(first, 40) for first in (1, 101, 201, 301))),
    case("9113 5.1.2", "streams that were reset do not count",
         *((ask(number, Ask.POST), rst_stream(number)) for number in range(1, 241, 2)), alive(), ask(241),
         answered(241)),
)  # fmt: skip

CASES: tuple[Case, ...] = (*FRAME_CASES, *RECEIVE_CASES, *SEND_CASES, *CHANGE_CASES, *STREAM_CASES)
