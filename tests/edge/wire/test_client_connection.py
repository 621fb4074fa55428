from __future__ import annotations

import pytest

from edge.model.settings import Limits
from edge.wire import frames
from edge.wire.client import ClientConnection, ClientStream
from edge.wire.frames import CANCEL, END_HEADERS, HEADERS, NO_ERROR, PROTOCOL_ERROR, STREAM_CLOSED
from edge.wire.heads import AnswerHead
from edge.wire.sending import Rules, Turn
from tests.edge.wire.support import ANSWER, PREFIX, TRAILERS, Event, NotingOwner, Peer, frame, head


class Asked(ClientStream):
    """A request whose answer is noted."""

    def __init__(self, conn: ClientConnection, number: int, notes: list[Event]) -> None:
        super().__init__(conn, number)
        self.notes = notes

    def on_head(self, head: AnswerHead, end: bool) -> None:
        self.notes.append(("head", self.id, head.status, end))

    def on_data(self, data: bytes, size: int, end: bool) -> None:
        self.notes.append(("data", self.id, data, end))
        self.consumed(size)

    def on_trailers(self, head: AnswerHead) -> None:
        self.notes.append(("trailers", self.id, head.code))

    def on_reset(self, code: int, unprocessed: bool, words: str) -> None:
        self.notes.append(("reset", self.id, code, unprocessed, words))


class Asking:
    """A client's connection and its endpoint."""

    def __init__(self, *settings: tuple[int, int], limits: Limits | None = None, greeted: bool = True) -> None:
        self.now = 100.0
        self.owner = NotingOwner()
        self.conn = ClientConnection(Rules(limits or Limits()), Turn(), self.owner, PREFIX)
        self.endpoint = Peer(self.conn, lambda: self.now)
        self.notes: list[Event] = []
        self.conn.start()
        if greeted:
            self.endpoint.greet(*settings)
            self.endpoint.all_events()
            self.owner.notes.clear()

    def ask(self, *, end: bool = True) -> Asked:
        assert self.conn.has_room()
        number = self.conn.next_id()
        stream = Asked(self.conn, number, self.notes)
        self.conn.streams[number] = stream
        self.conn.send_block(number, self.conn.encoder.encode(head()), end)
        stream.ended_out = end
        return stream

    def goaway(self) -> int | None:
        codes = [event[2] for event in self.endpoint.events() if event[0] == "goaway"]
        return codes[-1] if codes else None


def test_it_begins_with_preface_settings_and_window() -> None:
    limits = Limits(stream_buffer_bytes=100_000, max_metadata_bytes=1000)
    asking = Asking(limits=limits, greeted=False)
    assert asking.endpoint.all_events() == [
        ("settings", {1: 4096, 2: 0, 4: 100_000, 6: 3024}),
        ("window", 0, limits.connection_buffer_bytes - 65_535),
    ]


def test_an_answer_arrives_and_the_stream_is_over() -> None:
    asking = Asking()
    asking.ask()
    asking.endpoint.headers(1, ANSWER)
    asking.endpoint.data(1, b"abc")
    asking.endpoint.headers(1, TRAILERS, end=True)
    assert asking.notes == [("head", 1, 200, False), ("data", 1, b"abc", False), ("trailers", 1, 0)]
    assert asking.conn.streams == {}


def test_informational_answers_may_come_first_and_not_end_the_stream() -> None:
    asking = Asking()
    asking.ask()
    asking.endpoint.headers(1, [(":status", "100")])
    asking.endpoint.headers(1, [(":status", "103"), ("link", "</a>")])
    asking.endpoint.headers(1, ANSWER)
    assert asking.notes == [("head", 1, 200, False)]
    asking.ask()
    asking.endpoint.headers(3, [(":status", "103")], end=True)
    assert asking.endpoint.events()[-1] == ("rst", 3, PROTOCOL_ERROR)


def test_informational_answers_without_end_are_a_flood() -> None:
    asking = Asking(limits=Limits(max_control_frames=20))
    asking.ask()
    for _ in range(50):
        asking.endpoint.headers(1, [(":status", "103")])
    assert asking.goaway() == frames.ENHANCE_YOUR_CALM
    assert asking.owner.notes == ["leaving"]


@pytest.mark.parametrize("padding", [-1, 4])
def test_data_before_the_head_is_a_mistake(padding: int) -> None:
    asking = Asking()
    asking.ask()
    asking.endpoint.data(1, b"abc", padding=padding)
    assert asking.endpoint.events()[-1] == ("rst", 1, PROTOCOL_ERROR)
    assert [note[0] for note in asking.notes] == ["reset"]
    assert asking.conn.recv_left + asking.conn.owed == asking.conn.rules.connection_window


def test_an_answer_before_the_settings_is_a_mistake() -> None:
    asking = Asking(greeted=False)
    asking.ask()
    asking.endpoint.headers(1, ANSWER)
    assert asking.goaway() == PROTOCOL_ERROR


@pytest.mark.parametrize(("body", "end"), [(b"abcd", False), (b"ab", True)])
def test_a_body_of_another_length_than_promised_is_a_mistake(body: bytes, end: bool) -> None:
    asking = Asking()
    asking.ask()
    asking.endpoint.headers(1, [*ANSWER, ("content-length", "3")])
    asking.endpoint.data(1, body, end)
    assert asking.endpoint.events()[-1] == ("rst", 1, PROTOCOL_ERROR)


def test_trailers_have_to_end_the_stream() -> None:
    asking = Asking()
    asking.ask()
    asking.endpoint.headers(1, ANSWER)
    asking.endpoint.headers(1, TRAILERS)
    assert asking.endpoint.events()[-1] == ("rst", 1, PROTOCOL_ERROR)
    assert asking.notes[-1][4] == "trailers that do not end the stream"


def test_metadata_that_is_too_large_ends_its_stream_and_the_table_stays_in_step() -> None:
    asking = Asking(limits=Limits(max_metadata_bytes=1000))
    asking.ask()
    asking.ask()
    asking.endpoint.headers(1, [*ANSWER, ("x-kept", "here"), ("x-large", "v" * 3000)])
    assert asking.endpoint.events()[-1] == ("rst", 1, CANCEL)
    assert "server.limits.max_metadata_bytes" in asking.notes[-1][4]
    asking.endpoint.headers(3, [*ANSWER, ("x-kept", "here")])
    assert asking.notes[-1] == ("head", 3, 200, False)


def test_the_same_bytes_after_the_table_has_changed_mean_what_they_say_now() -> None:
    asking = Asking()
    for number in (1, 3, 5, 7, 9):
        asking.ask()
        if number == 5:
            # a block on a stream that is over changes the table all the same
            asking.conn.streams[5].reset(CANCEL)
            asking.endpoint.say(frame(HEADERS, END_HEADERS, 5, b"\x88\x40\x0bgrpc-status\x017"))
            continue
        first = b"\x88\x40\x0bgrpc-status\x013" if number == 1 else b"\x88\xbe"
        asking.endpoint.say(frame(HEADERS, END_HEADERS | 1, number, first))
    assert len(asking.notes) == 4
    codes: list[int] = []
    asking = Asking()
    for number in (1, 3, 5, 7):
        stream = asking.ask()
        stream.answered = True
        block = {1: b"\x40\x0bgrpc-status\x013", 5: b"\x40\x0bgrpc-status\x017"}.get(number, b"\xbe")
        asking.endpoint.say(frame(HEADERS, END_HEADERS | 1, number, block))
        codes.append(asking.notes[-1][2])
    assert codes == [3, 3, 7, 7]


def test_frames_for_streams_that_were_never_opened_end_the_connection() -> None:
    for number in (2, 3, 0):
        asking = Asking()
        asking.ask()
        asking.endpoint.headers(number, ANSWER)
        assert asking.goaway() == PROTOCOL_ERROR
        assert asking.notes[-1][:4] == ("reset", 1, PROTOCOL_ERROR, False)


def test_frames_for_a_stream_that_is_over_are_answered_once_or_passed_over() -> None:
    asking = Asking()
    asking.ask()
    asking.endpoint.headers(1, [*ANSWER, *TRAILERS], end=True)
    asking.endpoint.events()
    asking.endpoint.data(1, b"abc")
    assert asking.endpoint.events() == [("rst", 1, STREAM_CLOSED)]
    stream = asking.ask()
    stream.reset(CANCEL)
    asking.endpoint.events()
    asking.endpoint.headers(3, ANSWER)
    asking.endpoint.data(3, b"abc")
    asking.endpoint.headers(3, TRAILERS, end=True)
    assert asking.endpoint.events() == []
    assert asking.conn.recv_left + asking.conn.owed == asking.conn.rules.connection_window


# === room ===


def test_the_endpoint_says_how_many_streams_there_may_be() -> None:
    asking = Asking((frames.MAX_CONCURRENT_STREAMS, 2))
    asking.ask()
    asking.ask()
    assert not asking.conn.has_room()
    asking.conn.full = True
    asking.endpoint.headers(1, [*ANSWER, *TRAILERS], end=True)
    assert asking.conn.has_room()
    assert asking.owner.notes == ["room"]
    asking.endpoint.say(frames.settings_frame([(frames.MAX_CONCURRENT_STREAMS, 0)]))
    assert not asking.conn.has_room()
    assert asking.owner.notes == ["room", "settled"]


def test_a_connection_that_is_out_of_numbers_leaves_and_says_so() -> None:
    asking = Asking()
    asking.conn._next_id = 2**31 - 5
    asking.ask()
    assert asking.owner.notes == []
    last = asking.ask()
    assert last.id == 2**31 - 3
    assert not asking.conn.has_room()
    assert asking.owner.notes == ["leaving"]
    for number in (2**31 - 5, 2**31 - 3):
        assert not asking.conn.ended
        asking.endpoint.headers(number, [*ANSWER, *TRAILERS], end=True)
    assert asking.conn.ended
    assert len(asking.notes) == 2


# === leaving ===


def test_a_goaway_ends_what_was_not_begun_and_lets_the_rest_finish() -> None:
    asking = Asking()
    for _ in range(3):
        asking.ask()
    asking.endpoint.say(frames.goaway_frame(3, NO_ERROR, "maintenance"))
    assert asking.notes == [("reset", 5, NO_ERROR, True, "the endpoint ended the connection: maintenance")]
    assert asking.owner.notes == ["leaving"]
    assert not asking.conn.has_room()
    asking.endpoint.say(frames.goaway_frame(1, NO_ERROR))
    assert asking.notes[-1] == ("reset", 3, NO_ERROR, True, "")
    asking.endpoint.headers(1, [*ANSWER, *TRAILERS], end=True)
    asking.endpoint.events()
    assert asking.endpoint.pipe.closed
    assert asking.owner.notes == ["leaving"]


def test_a_goaway_in_two_steps_loses_nothing() -> None:
    asking = Asking()
    asking.ask()
    asking.endpoint.say(frames.goaway_frame(2**31 - 1, NO_ERROR))
    asking.endpoint.say(frames.goaway_frame(1, NO_ERROR))
    assert asking.notes == []
    assert not asking.conn.ended


def test_a_connection_that_is_retired_ends_with_its_last_stream() -> None:
    asking = Asking()
    asking.ask()
    asking.conn.retire()
    asking.conn.retire()
    assert (asking.conn.ended, asking.owner.notes) == (False, ["leaving"])
    asking.endpoint.rst(1, CANCEL)
    asking.endpoint.events()
    assert asking.endpoint.pipe.closed
    idle = Asking()
    idle.conn.retire()
    idle.endpoint.events()
    assert idle.endpoint.pipe.closed


@pytest.mark.parametrize("settled", [True, False])
def test_a_connection_lost_before_its_settings_has_not_begun_to_work(settled: bool) -> None:
    asking = Asking(greeted=settled)
    asking.ask()
    asking.conn.lost("reset by peer")
    assert asking.notes == [("reset", 1, NO_ERROR, not settled, "reset by peer")]
    assert asking.owner.notes == ["leaving"]
    asking.conn.lost("again")
    assert len(asking.notes) == 1


def test_a_mistake_of_the_endpoint_ends_the_connection_and_its_calls() -> None:
    asking = Asking()
    asking.ask()
    asking.endpoint.say(frame(frames.PUSH_PROMISE, END_HEADERS, 1, bytes(4)))
    assert asking.goaway() == PROTOCOL_ERROR
    assert asking.notes == [
        ("reset", 1, PROTOCOL_ERROR, False, "the connection ended: PROTOCOL_ERROR, PUSH_PROMISE, which nobody allowed")
    ]
    assert asking.owner.notes == ["leaving"]


# === ping ===


def test_a_ping_is_answered_and_ours_is_noticed() -> None:
    asking = Asking()
    asking.conn.ping()
    answers = [asking.conn.ponged]
    (sent,) = asking.endpoint.events()
    asking.endpoint.say(frames.ping_frame(sent[1], ack=True))
    answers.append(asking.conn.ponged)
    assert answers == [False, True]
    asking.endpoint.say(frames.ping_frame(b"whoareu?", ack=False))
    assert asking.endpoint.events() == [("ping", b"whoareu?", True)]
