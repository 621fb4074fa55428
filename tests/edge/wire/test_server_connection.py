from __future__ import annotations

import pytest

from edge.model.settings import Limits
from edge.wire import frames
from edge.wire.frames import (
    CANCEL,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    NO_ERROR,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PRIORITY_FLAG,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    SETTINGS,
    STREAM_CLOSED,
)
from tests.edge.wire.support import ANSWER, GRPC, TRAILERS, Served, frame, head

# === the beginning ===


def test_the_settings_of_the_gateway_say_its_limits() -> None:
    limits = Limits(stream_buffer_bytes=100_000, max_concurrent_streams=7, max_metadata_bytes=1000)
    served = Served(limits, greeted=False)
    first, window = served.caller.all_events()
    assert first == ("settings", {1: 4096, 3: 7, 4: 100_000, 6: 3024})
    assert window == ("window", 0, limits.connection_buffer_bytes - 65_535)


@pytest.mark.parametrize("cut", [1, 5, 23, 24, 30])
def test_the_preface_may_come_in_pieces(cut: int) -> None:
    served = Served(greeted=False)
    data = PREFACE + frames.settings_frame([])
    for at in range(0, len(data), cut):
        served.caller.say(data[at : at + cut])
    assert served.conn.peer_settled
    assert ("settings ack",) in served.caller.all_events()


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nSMALL", b"\0"])
def test_another_preface_ends_the_connection(data: bytes) -> None:
    served = Served(greeted=False)
    served.caller.say(data)
    goodbye = served.goaway()
    assert goodbye is not None
    assert (goodbye[0], served.caller.pipe.closed) == (PROTOCOL_ERROR, True)


@pytest.mark.parametrize("kind", [PING, HEADERS, DATA, PRIORITY])
def test_the_first_frame_has_to_be_settings(kind: int) -> None:
    served = Served(greeted=False)
    served.caller.say(PREFACE, frame(kind, END_HEADERS, 0 if kind == PING else 1, bytes(8)))
    assert served.goaway() is not None
    assert served.notes() == []


# === requests ===


def test_a_request_with_body_and_trailers_arrives() -> None:
    served = Served()
    served.caller.headers(1, GRPC)
    served.caller.data(1, b"abc")
    served.caller.headers(1, [("x-sum", "1")], end=True)
    assert served.notes() == [
        ("begin", 1, GRPC, False),
        ("data", 1, b"abc", False),
        ("trailers", 1, [("x-sum", "1")]),
    ]


def test_padding_and_priority_are_taken_off_and_count_as_bytes() -> None:
    served = Served(greedy=False)
    block = served.caller.block(GRPC)
    flags = END_HEADERS | PADDED | PRIORITY_FLAG
    served.caller.say(frame(HEADERS, flags, 1, b"\3" + bytes([0, 0, 0, 0, 7]) + block + bytes(3)))
    served.caller.data(1, b"abc", padding=9)
    assert served.notes() == [("begin", 1, GRPC, False), ("data", 1, b"abc", False)]
    assert served.stream(1).held == 13


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_block_in_many_frames_is_one_request(size: int) -> None:
    served = Served()
    fields = head(("x-long", "v" * 300))
    block = served.caller.block(fields)
    pieces = [block[at : at + size] for at in range(0, len(block), size)][:120]
    pieces[-1] += block[sum(map(len, pieces)) :]
    served.caller.say(frame(HEADERS, END_STREAM, 1, pieces[0]))
    for piece in pieces[1:-1]:
        served.caller.say(frame(CONTINUATION, 0, 1, piece))
    served.caller.say(frame(CONTINUATION, END_HEADERS, 1, pieces[-1]))
    assert served.notes() == [("begin", 1, fields, True)]


def test_the_reserved_bit_of_a_stream_means_nothing() -> None:
    served = Served()
    bit = 0x80000000
    block = served.caller.block(GRPC)
    served.caller.say(frame(HEADERS, END_HEADERS, bit | 1, block))
    served.caller.say(frame(DATA, 0, bit | 1, b"abc"))
    block = served.caller.block(GRPC)
    served.caller.say(frame(HEADERS, 0, bit | 3, block[:3]), frame(CONTINUATION, END_HEADERS, bit | 3, block[3:]))
    assert [(note[0], note[1]) for note in served.notes()] == [("begin", 1), ("data", 1), ("begin", 3)]
    assert served.conn.last_id == 3


def test_the_same_bytes_after_the_table_has_changed_mean_what_they_say_now() -> None:
    served = Served()
    caller = served.caller
    # index 62 is x-a: 1 at first, and x-b: 2 later
    fixed = b"".join(caller.encoder.encode([(name, value, True)]) for name, value in GRPC)

    def add(name: bytes, value: bytes) -> bytes:
        return b"\x40" + bytes([len(name)]) + name + bytes([len(value)]) + value

    by_index = fixed + b"\xbe"
    blocks = [fixed + add(b"x-a", b"1"), by_index, by_index, fixed + add(b"x-b", b"2"), by_index, by_index]
    for index, block in enumerate(blocks):
        caller.say(frame(HEADERS, END_HEADERS | END_STREAM, 2 * index + 1, block))
    last = [note[2][-1] for note in served.notes()]
    assert last == [("x-a", "1")] * 3 + [("x-b", "2")] * 3


def test_a_table_that_changed_in_a_block_nobody_takes_counts_too() -> None:
    served = Served()
    caller = served.caller
    fixed = b"".join(caller.encoder.encode([(name, value, True)]) for name, value in GRPC)
    caller.say(frame(HEADERS, END_HEADERS, 1, fixed + b"\x40\x03x-a\x011"))
    for number in (3, 5):
        caller.say(frame(HEADERS, END_HEADERS | END_STREAM, number, fixed + b"\xbe"))
    served.stream(1).reset(CANCEL)
    caller.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x40\x03x-b\x012"))
    caller.say(frame(HEADERS, END_HEADERS | END_STREAM, 7, fixed + b"\xbe"))
    assert [note[2][-1] for note in served.notes() if note[0] == "begin"][1:] == [("x-a", "1")] * 2 + [("x-b", "2")]


@pytest.mark.parametrize(
    "fields",
    [
        GRPC[1:],
        [*GRPC, (":path", "/")],
        [("x-a", "b"), *GRPC],
        [*GRPC, ("Upper", "1")],
        [*GRPC, ("connection", "close")],
        [*GRPC, ("te", "gzip")],
        [*GRPC, ("x-a", "b\r\nc: d")],
        [*GRPC, ("x-a", "b\0")],
        [*GRPC, (":status", "200")],
        [*GRPC[:2], (":path", ""), *GRPC[3:]],
        [*GRPC[:2], (":path", "/a b"), *GRPC[3:]],
        [*GRPC[:3], (":authority", "a\r\nx: y"), *GRPC[4:]],
        [(":method", "GET HTTP/1.1\n"), *GRPC[1:]],
        [*GRPC, ("content-length", "-1")],
        [*GRPC, ("content-length", "1"), ("content-length", "2")],
    ],
)
def test_a_malformed_request_ends_its_stream_and_not_the_connection(fields: list[tuple[str, str]]) -> None:
    served = Served()
    served.caller.headers(1, fields)
    assert served.caller.events() == [("rst", 1, PROTOCOL_ERROR)]
    served.caller.data(1, b"late")
    served.caller.headers(3, GRPC, end=True)
    assert [note[1] for note in served.notes()] == [3]
    assert served.caller.events() == []


@pytest.mark.parametrize(("sent", "end"), [(b"abcd", False), (b"ab", True), (b"", True)])
def test_a_body_of_another_length_than_promised_ends_its_stream(sent: bytes, end: bool) -> None:
    served = Served()
    served.caller.headers(1, head(("content-length", "3")))
    served.caller.data(1, sent, end)
    assert served.caller.events() == [("rst", 1, PROTOCOL_ERROR)]
    assert served.notes()[-1] == ("reset", 1, PROTOCOL_ERROR)
    assert served.conn.recv_left + served.conn.owed == served.conn.rules.connection_window


def test_a_header_list_that_is_too_large_is_answered_and_the_table_stays_in_step() -> None:
    served = Served(Limits(max_metadata_bytes=1000))
    served.caller.headers(1, head(("x-kept", "here"), ("x-large", "v" * 3000)))
    assert served.caller.events() == [("headers", 1, [(":status", "431")], True), ("rst", 1, NO_ERROR)]
    assert served.protections.counts == {"header_list": 1}
    served.caller.headers(3, head(("x-kept", "here")), end=True)
    assert served.notes() == [("begin", 3, head(("x-kept", "here")), True)]


def test_too_many_headers_are_answered() -> None:
    served = Served(Limits(max_headers=20))
    served.caller.headers(1, head(*[("x", "y")] * 15))
    assert served.caller.events()[0] == ("headers", 1, [(":status", "431")], True)


# === windows ===


def test_credit_comes_back_when_bytes_are_consumed_and_not_before() -> None:
    served = Served(Limits(stream_buffer_bytes=1000, connection_buffer_bytes=65_535), greedy=False)
    served.caller.headers(1, GRPC)
    served.caller.data(1, bytes(1000))
    assert served.caller.all_events() == []
    served.stream(1).consumed(400)
    assert served.caller.all_events() == []
    served.stream(1).consumed(200)
    assert served.caller.all_events() == [("window", 1, 600)]


def test_a_stream_over_its_window_ends_and_the_connection_gets_its_credit() -> None:
    served = Served(Limits(stream_buffer_bytes=1000), greedy=False)
    served.caller.headers(1, GRPC)
    served.caller.data(1, bytes(1001))
    assert served.caller.events() == [("rst", 1, FLOW_CONTROL_ERROR)]
    assert served.conn.recv_left + served.conn.owed == served.conn.rules.connection_window


def test_a_connection_over_its_window_ends() -> None:
    served = Served(Limits(stream_buffer_bytes=100_000, connection_buffer_bytes=65_535), greedy=False)
    served.caller.headers(1, GRPC)
    for _ in range(5):
        served.caller.data(1, bytes(16_000))
    assert (served.goaway() or (0, ""))[0] == FLOW_CONTROL_ERROR


def test_a_large_frame_is_handed_on_as_it_comes() -> None:
    served = Served()
    served.caller.headers(1, GRPC)
    data = frame(DATA, END_STREAM, 1, b"x" * 16_000)
    served.caller.say(data[:5000])
    assert served.notes()[-1] == ("data", 1, b"x" * 4991, False)
    served.caller.say(data[5000:9000])
    served.caller.say(data[9000:])
    assert [len(note[2]) for note in served.notes()] == [4000, 7009]
    assert served.stream(1).ended_in


def test_one_large_frame_on_a_closed_stream_is_one_mistake_however_it_comes() -> None:
    served = Served()
    served.caller.headers(1, GRPC, end=True)
    served.stream(1).send_end((("grpc-status", "0"),))
    served.caller.events()
    data = frame(DATA, 0, 1, b"x" * 16_000)
    for at in range(0, len(data), 100):
        served.caller.say(data[at : at + 100])
    assert served.caller.events() == [("rst", 1, STREAM_CLOSED)]
    assert served.conn.recv_left + served.conn.owed == served.conn.rules.connection_window


# === streams that are over ===


def test_what_comes_late_after_our_reset_means_nothing() -> None:
    served = Served()
    served.caller.headers(1, GRPC)
    served.stream(1).reset(CANCEL)
    served.caller.events()
    served.caller.data(1, b"abc")
    served.caller.window(1, 10)
    served.caller.headers(1, TRAILERS, end=True)
    served.caller.rst(1, CANCEL)
    assert served.caller.events() == []
    assert not served.conn.ended
    assert served.conn.recv_left + served.conn.owed == served.conn.rules.connection_window


def test_data_after_the_end_of_a_request_is_a_mistake() -> None:
    served = Served()
    served.caller.headers(1, GRPC, end=True)
    served.caller.data(1, b"abc")
    assert served.caller.events() == [("rst", 1, STREAM_CLOSED)]
    assert served.notes()[-1] == ("reset", 1, STREAM_CLOSED)


@pytest.mark.parametrize("number", [0, 2, 1, 9])
def test_headers_on_a_stream_that_cannot_be_opened_end_the_connection(number: int) -> None:
    served = Served()
    for opened in (1, 3):
        served.caller.headers(opened, GRPC, end=True)
        served.stream(opened).send_end((("grpc-status", "0"),))
    served.caller.headers(number, GRPC, end=True)
    if number == 9:
        assert served.goaway() is None
    else:
        assert served.goaway() is not None


def test_more_streams_than_allowed_are_refused_and_may_be_tried_again() -> None:
    served = Served(Limits(max_concurrent_streams=2))
    for number in (1, 3, 5):
        served.caller.headers(number, GRPC)
    assert served.caller.events() == [("rst", 5, REFUSED_STREAM)]
    assert served.protections.counts == {"stream_limit": 1}
    served.caller.rst(1, CANCEL)
    served.caller.headers(7, GRPC)
    assert served.caller.events() == []
    assert list(served.conn.streams) == [3, 7]


# === leaving ===


def test_a_drain_is_told_in_two_steps_and_waits_for_streams() -> None:
    served = Served()
    served.caller.headers(1, GRPC, end=True)
    served.conn.drain()
    first, ping = served.caller.events()
    assert first[:3] == ("goaway", 2**31 - 1, NO_ERROR)
    served.caller.headers(3, GRPC, end=True)  # it was on its way
    served.caller.say(frames.ping_frame(ping[1], ack=True))
    assert served.caller.events() == [("goaway", 3, NO_ERROR, "")]
    served.caller.headers(5, GRPC, end=True)
    assert served.caller.events() == [("rst", 5, REFUSED_STREAM)]
    for number in (1, 3):
        assert not served.conn.ended
        served.stream(number).send_end((("grpc-status", "0"),))
    served.caller.events()
    assert served.conn.ended
    assert served.caller.pipe.closed


def test_the_last_stream_of_a_goaway_never_grows() -> None:
    served = Served()
    served.caller.headers(1, GRPC)
    served.conn.settle_drain()
    served.caller.headers(3, GRPC)
    served.caller.say(frame(PING, 0, 0, b"short"))
    said = [event[1:3] for event in served.caller.events() if event[0] == "goaway"]
    assert said == [(1, NO_ERROR), (1, FRAME_SIZE_ERROR)]


def test_a_drain_without_streams_ends_at_once() -> None:
    served = Served()
    served.conn.drain()
    served.conn.settle_drain()
    served.caller.events()
    assert served.caller.pipe.closed


def test_a_connection_that_is_lost_tells_its_streams() -> None:
    served = Served()
    served.caller.headers(1, GRPC)
    served.conn.lost("gone")
    assert served.notes()[-1] == ("reset", 1, NO_ERROR)
    assert served.conn.streams == {}


# === floods ===


def test_streams_that_are_reset_unanswered_are_counted() -> None:
    served = Served(Limits(max_premature_resets=10))
    for number in range(1, 100, 2):
        served.caller.headers(number, GRPC)
        served.caller.rst(number, CANCEL)
        if served.conn.ended:
            break
    assert number == 21
    goodbye = served.goaway()
    assert goodbye == (ENHANCE_YOUR_CALM, "11 of 11 streams were reset unanswered")
    assert served.protections.counts == {"rapid_reset": 1}


def test_streams_that_make_us_reset_them_are_counted_too() -> None:
    served = Served(Limits(max_premature_resets=10))
    for number in range(1, 100, 2):
        served.caller.headers(number, GRPC)
        served.caller.say(frames.window_frame(number, 0))
        if served.conn.ended:
            break
    assert number == 21
    assert served.protections.counts == {"rapid_reset": 1}


def test_resets_of_answered_streams_and_of_a_few_among_many_are_not() -> None:
    served = Served(Limits(max_premature_resets=10))
    for number in range(1, 100, 2):
        served.caller.headers(number, GRPC)
        if number % 3:
            stream = served.stream(number)
            stream.headed = True
            served.conn.send_block(number, served.conn.encoder.encode(ANSWER), False)
        served.caller.rst(number, CANCEL)
    assert not served.conn.ended


FLOODS = {
    "ping": frames.ping_frame(bytes(8), ack=False),
    "pong": frames.ping_frame(bytes(8), ack=True),
    "settings": frames.settings_frame([]),
    "settings ack": frames.SETTINGS_ACK,
    "window": frames.window_frame(0, 1),
    "priority": frame(PRIORITY, 0, 9, bytes(4) + b"\1"),
    "empty data": frame(DATA, 0, 1),
    "padded empty data": frame(DATA, PADDED, 1, b"\0"),
    "unknown": frame(77, 0, 0),
    "goaway": frames.goaway_frame(0, 0),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_frames_that_cost_little_are_bounded_in_a_second(kind: str) -> None:
    served = Served(Limits(max_control_frames=50))
    served.caller.headers(1, GRPC)
    for _ in range(3):
        served.now += 1.0
        for _ in range(2 if kind == "ping" else 45):
            served.caller.say(FLOODS[kind])
    assert not served.conn.ended, "they came slowly"
    for _ in range(60):
        served.caller.say(FLOODS[kind])
    goodbye = served.goaway()
    assert goodbye is not None
    assert goodbye[0] == ENHANCE_YOUR_CALM
    assert goodbye[1].replace("_", " ").startswith("too many")
    assert served.protections.counts == {"control_flood": 1}


def test_who_reads_much_may_give_much_credit_also_in_the_next_second() -> None:
    served = Served(Limits(max_control_frames=10))
    served.caller.headers(1, GRPC, end=True)
    served.caller.window(0, 2**30)
    served.caller.window(1, 2**30)
    for _ in range(200):
        served.stream(1).send_data(bytes(1000), False)
    served.now += 1.01
    for _ in range(200):
        # both twice for each DATA, as grpc does for a message
        for part in (5, 995):
            served.caller.window(0, part)
            served.caller.window(1, part)
    assert not served.conn.ended
    for _ in range(50):
        served.caller.window(0, 1000)
    assert served.conn.ended


def test_a_header_block_without_end_is_bounded() -> None:
    served = Served()
    served.caller.say(frame(HEADERS, 0, 1, b""))
    for _ in range(200):
        served.caller.say(frame(CONTINUATION, 0, 1, b""))
    assert (served.goaway() or (0, ""))[0] == ENHANCE_YOUR_CALM
    served = Served()
    served.caller.say(frame(HEADERS, 0, 1, b""))
    for _ in range(20):
        served.caller.say(frame(CONTINUATION, 0, 1, bytes(16_384)))
    assert served.goaway() == (ENHANCE_YOUR_CALM, "a header block without end")
    assert served.protections.counts == {"continuation_flood": 1}


def test_thousands_of_windows_in_one_frame_count_once() -> None:
    served = Served()
    served.caller.headers(1, GRPC)
    pairs = [(INITIAL_WINDOW_SIZE, 2**31 - 1 - index % 2) for index in range(2000)]
    served.caller.say(frames.settings_frame([*pairs, (INITIAL_WINDOW_SIZE, 77)]))
    assert served.stream(1).send_window == 77
    assert served.conn.peer_window == 77


# === mistakes that end the connection ===


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(DATA, 0, 0, b"a"), PROTOCOL_ERROR),
        (frame(DATA, 0, 9, b"a"), PROTOCOL_ERROR),
        (frame(DATA, PADDED, 1, b"\5abc"), PROTOCOL_ERROR),
        (frame(DATA, PADDED, 1), FRAME_SIZE_ERROR),
        (frame(DATA, 0, 1, bytes(16_385)), FRAME_SIZE_ERROR),
        (frame(HEADERS, END_HEADERS, 3, bytes(16_385)), FRAME_SIZE_ERROR),
        (frame(HEADERS, END_HEADERS, 3, b"\xff\xff\xff\xff\xff\xff"), COMPRESSION_ERROR),
        (frame(HEADERS, END_HEADERS | PADDED, 3, b"\5abc"), PROTOCOL_ERROR),
        (frame(HEADERS, END_HEADERS | PRIORITY_FLAG, 3, b"abc"), FRAME_SIZE_ERROR),
        (frame(HEADERS, 0, 3, b"") + frame(PING, 0, 0, bytes(8)), PROTOCOL_ERROR),
        (frame(HEADERS, 0, 3, b"") + frame(DATA, 0, 1, b"a"), PROTOCOL_ERROR),
        (frame(HEADERS, 0, 3, b"") + frame(HEADERS, END_HEADERS, 3), PROTOCOL_ERROR),
        (frame(HEADERS, 0, 3, b"") + frame(CONTINUATION, END_HEADERS, 5), PROTOCOL_ERROR),
        (frame(CONTINUATION, END_HEADERS, 1), PROTOCOL_ERROR),
        (frame(SETTINGS, 0, 1), PROTOCOL_ERROR),
        (frame(SETTINGS, 0, 0, b"abc"), FRAME_SIZE_ERROR),
        (frame(SETTINGS, 1, 0, bytes(6)), FRAME_SIZE_ERROR),
        (frames.settings_frame([(2, 2)]), PROTOCOL_ERROR),
        (frames.settings_frame([(4, 2**31)]), FLOW_CONTROL_ERROR),
        (frames.settings_frame([(5, 16_383)]), PROTOCOL_ERROR),
        (frames.settings_frame([(5, 2**24)]), PROTOCOL_ERROR),
        (frame(PING, 0, 1, bytes(8)), PROTOCOL_ERROR),
        (frame(PING, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
        (frames.window_frame(0, 0), PROTOCOL_ERROR),
        (frames.window_frame(9, 1), PROTOCOL_ERROR),
        (frames.window_frame(0, 2**31 - 1), FLOW_CONTROL_ERROR),
        (frame(8, 0, 0, b"abc"), FRAME_SIZE_ERROR),
        (frames.rst_frame(9, 0), PROTOCOL_ERROR),
        (frames.rst_frame(0, 0), PROTOCOL_ERROR),
        (frame(3, 0, 1, b"abc"), FRAME_SIZE_ERROR),
        (frame(PRIORITY, 0, 0, bytes(5)), PROTOCOL_ERROR),
        (frame(5, END_HEADERS, 1, bytes(4)), PROTOCOL_ERROR),
        (frame(7, 0, 1, bytes(8)), PROTOCOL_ERROR),
        (frame(7, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
        (frame(77, 0, 0, bytes(16_385)), FRAME_SIZE_ERROR),
    ],
)
def test_a_mistake_that_ends_the_connection_is_named(data: bytes, code: int) -> None:
    served = Served()
    served.caller.headers(1, GRPC)
    served.notes()
    served.caller.say(data)
    goodbye = served.goaway()
    assert goodbye is not None
    assert goodbye[0] == code
    assert goodbye[1]
    assert served.notes() == [("reset", 1, code)]
    served.caller.say(frames.ping_frame(bytes(8), ack=False))
    assert served.caller.events() == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frames.window_frame(1, 0), PROTOCOL_ERROR),
        (frames.window_frame(1, 2**31 - 1), FLOW_CONTROL_ERROR),
        (frame(PRIORITY, 0, 1, bytes(4)), FRAME_SIZE_ERROR),
    ],
)
def test_a_mistake_of_one_stream_ends_that_one(data: bytes, code: int) -> None:
    served = Served()
    served.caller.headers(1, GRPC)
    served.caller.headers(3, GRPC)
    served.caller.say(data)
    assert served.caller.events() == [("rst", 1, code)]
    assert list(served.conn.streams) == [3]


def test_a_ping_is_answered_and_what_is_unknown_passed_over() -> None:
    served = Served()
    served.caller.say(frames.ping_frame(b"12345678", ack=False), frame(77, 255, 9, b"?"), frame(0xA, 0, 0, b"x"))
    served.caller.say(frames.settings_frame([(0x99, 5)]))
    assert served.caller.events() == [("ping", b"12345678", True)]
    assert not served.conn.ended
