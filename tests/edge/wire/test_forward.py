from __future__ import annotations

import pytest

from edge.model.config import DirectResponse, HeaderChange
from edge.model.errors import Draining, GatewayError, NoRoute
from edge.model.settings import Limits
from edge.model.status import Code
from edge.wire import frames
from edge.wire.frames import CANCEL, NO_ERROR, REFUSED_STREAM
from tests.edge.wire.place import Later, Place
from tests.edge.wire.support import ANSWER, TRAILERS, Event, Peer, head, message


def fields(event: Event) -> dict[str, str]:
    """Return the fields of a HEADERS event."""
    assert event[0] == "headers", event
    return dict(event[2])


def status(caller: Peer) -> tuple[int, str]:
    """Return code and message of the call that has ended, by the last header block."""
    last = [event for event in caller.events() if event[0] == "headers"][-1]
    assert last[3], "the answer has not ended"
    found = fields(last)
    return int(found["grpc-status"]), found.get("grpc-message", "")


def begun(place: Place, *more: tuple[str, str], end: bool = False) -> tuple[Peer, Peer]:
    """Return caller and endpoint of a call on stream 1 that has begun."""
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(*more), end=end)
    endpoint.events()
    return caller, endpoint


# === messages and metadata ===


def test_a_unary_call_crosses() -> None:
    place = Place()
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(("x-tenant", "blue")))
    caller.data(1, message(3), end=True)
    request, body = endpoint.events()
    sent = fields(request)
    assert [name for name, _ in request[2]][:4] == [":method", ":scheme", ":authority", ":path"]
    assert (sent[":path"], sent["te"], sent["x-tenant"]) == ("/a.B/C", "trailers", "blue")
    assert (sent["x-forwarded-for"], len(sent["x-request-id"])) == ("198.51.100.7", 32)
    assert body == ("data", 1, message(3), True)
    endpoint.headers(1, [*ANSWER, ("x-served-by", "e1")])
    endpoint.data(1, message(4))
    endpoint.headers(1, [*TRAILERS, ("x-cost", "7")], end=True)
    assert caller.events() == [
        ("headers", 1, [*ANSWER, ("x-served-by", "e1")], False),
        ("data", 1, message(4), False),
        ("headers", 1, [*TRAILERS, ("x-cost", "7")], True),
    ]
    assert place.codes() == [0]
    call = place.finished[0].call
    assert (call.request_messages, call.request_bytes, call.response_messages, call.response_bytes) == (1, 3, 1, 4)
    place.check_idle()
    place.check_credit()


def test_messages_of_a_stream_cross_both_ways_as_they_come() -> None:
    place = Place()
    caller, endpoint = begun(place)
    endpoint.headers(1, ANSWER)
    for size in range(5):
        caller.data(1, message(size))
        assert endpoint.events() == [("data", 1, message(size), False)]
        endpoint.data(1, message(size, b"a"))
        assert caller.events()[-1] == ("data", 1, message(size, b"a"), False)
    caller.data(1, b"", end=True)
    assert endpoint.events() == [("data", 1, b"", True)]
    assert place.codes() == []
    endpoint.headers(1, TRAILERS, end=True)
    assert place.codes() == [0]
    call = place.finished[0].call
    assert (call.request_messages, call.request_bytes, call.response_messages, call.response_bytes) == (5, 10, 5, 10)
    place.check_idle()


def test_the_second_of_two_equal_calls_says_the_same_in_fewer_bytes() -> None:
    place = Place()
    endpoint, caller = place.endpoint(), place.caller()
    requests = []
    for number in (1, 3, 5, 7):
        caller.headers(number, head(("x-tenant", "blue")), end=True)
        request = fields(endpoint.events()[0])
        request.pop("x-request-id")
        requests.append(request)
        endpoint.headers(number, ANSWER)
        endpoint.headers(number, TRAILERS, end=True)
    assert requests == [requests[0]] * 4
    assert place.codes() == [0] * 4


def test_a_status_without_answer_crosses_with_message_details_and_metadata() -> None:
    place = Place()
    caller, endpoint = begun(place, end=True)
    answer = [
        *ANSWER,
        ("grpc-status", "5"),
        ("grpc-message", "no%20such book"),
        ("grpc-status-details-bin", "CAUSBm5vIGJ1aw"),
        ("x-one-bin", "AAEC"),
        ("x-one-bin", "AwQ"),
    ]
    endpoint.headers(1, answer, end=True)
    assert caller.events() == [("headers", 1, answer, True)]
    assert (place.codes(), place.finished[0].message) == ([5], "no such book")
    place.check_idle()


def test_binary_metadata_and_several_values_cross_in_order() -> None:
    place = Place()
    endpoint, caller = place.endpoint(), place.caller()
    sent = [("x-a", "1"), ("k-bin", "AAEC"), ("x-a", "2"), ("k-bin", "/w"), ("x-a", "1")]
    caller.headers(1, head(*sent), end=True)
    arrived = [pair for pair in endpoint.events()[0][2] if pair[0] in ("x-a", "k-bin")]
    assert arrived == sent
    endpoint.headers(1, [*ANSWER, *sent])
    endpoint.headers(1, [*TRAILERS, *sent], end=True)
    first, last = caller.events()
    assert first[2][2:] == sent
    assert last[2][1:] == sent


def test_hop_by_hop_fields_do_not_cross() -> None:
    place = Place()
    endpoint, caller = place.endpoint(), place.caller()
    own = [("host", "shop.example.com:8080"), ("trailer", "x"), ("proxy-authorization", "p"), ("edge-call", "stolen")]
    caller.headers(1, head(*own), end=True)
    assert not set(fields(endpoint.events()[0])) & {name for name, _ in own}


def test_never_indexed_fields_stay_so_in_requests_answers_and_trailers() -> None:
    place = Place()
    endpoint, caller = place.endpoint(), place.caller()
    for number in (1, 3, 5):  # what comes again is remembered, and has to stay what it was
        caller.headers(number, [*head(), ("x-pin", "1234", True)], end=True)
        endpoint.events()
        assert "x-pin" in endpoint.never_indexed
        endpoint.headers(number, [*ANSWER, ("x-token", "abc", True)])
        caller.events()
        assert caller.never_indexed == {"x-token"}
        endpoint.headers(number, [*TRAILERS, ("x-secret", "abc", True)], end=True)
        caller.events()
        assert caller.never_indexed == {"x-secret"}


def test_never_indexed_trailers_stay_so_behind_data_that_waits() -> None:
    place = Place()
    endpoint, caller = place.endpoint(), place.caller((frames.INITIAL_WINDOW_SIZE, 0))
    caller.headers(1, head(), end=True)
    endpoint.headers(1, ANSWER)
    endpoint.data(1, message(10))
    endpoint.headers(1, [*TRAILERS, ("x-secret", "abc", True)], end=True)
    assert len(caller.events()) == 1
    caller.window(1, 100)
    assert [event[0] for event in caller.events()] == ["data", "headers"]
    assert caller.never_indexed == {"x-secret"}


def test_a_path_that_came_never_indexed_stays_so() -> None:
    place = Place()
    endpoint, caller = place.endpoint(), place.caller()
    for number in (1, 3, 5):
        caller.headers(number, [(n, v, n == ":path") for n, v in head()], end=True)
        endpoint.events()
        assert ":path" in endpoint.never_indexed


def test_the_route_changes_the_head_of_the_answer() -> None:
    change = HeaderChange(remove=frozenset({"server"}), set=(("x-a", "set"),), append=(("x-b-bin", b"\0\1"),))
    place = Place(changes=(change,))
    caller, endpoint = begun(place, end=True)
    endpoint.headers(1, [*ANSWER, ("server", "secret"), ("x-a", "1"), ("x-a", "2")])
    assert caller.events()[0][2] == [*ANSWER, ("x-a", "set"), ("x-b-bin", "AAE")]


def test_too_much_metadata_is_refused_with_the_limit_and_leaves_the_connection_in_step() -> None:
    place = Place(max_metadata=600)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(("x-long", "v" * 600)), end=True)
    code, words = status(caller)
    assert (code, "server.limits.max_metadata_bytes" in words) == (8, True)
    assert endpoint.events() == []
    caller.headers(3, head(("x-short", "v")), end=True)
    assert fields(endpoint.events()[0])["x-short"] == "v"
    endpoint.headers(1, [*ANSWER, *TRAILERS], end=True)
    assert place.codes() == [8, 0]
    place.check_idle()


# === ends ===


@pytest.mark.parametrize("first", ["caller", "endpoint"])
def test_half_closes_cross(first: str) -> None:
    place = Place()
    caller, endpoint = begun(place)
    endpoint.headers(1, ANSWER)
    caller.events()
    if first == "caller":
        caller.data(1, b"", end=True)
        assert endpoint.events() == [("data", 1, b"", True)]
        endpoint.data(1, message(1))
        endpoint.headers(1, TRAILERS, end=True)
        assert [event[0] for event in caller.events()] == ["data", "headers"]
        assert endpoint.events() == []
    else:
        endpoint.headers(1, TRAILERS, end=True)
        # a caller that still sends is told to stop, without an error (RFC 9113 section 8.1)
        assert caller.events() == [("headers", 1, TRAILERS, True), ("rst", 1, NO_ERROR)]
        assert endpoint.events() == [("rst", 1, CANCEL)]
        caller.data(1, message(100))
        caller.data(1, b"", end=True)
        assert caller.events() == []
    assert place.codes() == [0]
    place.check_idle()
    place.check_credit()


def test_trailers_of_a_request_end_it() -> None:
    place = Place()
    caller, endpoint = begun(place)
    caller.headers(1, [("x-checksum", "1")], end=True)
    assert endpoint.events() == [("data", 1, b"", True)]


def test_an_end_behind_an_answer_that_waits_does_not_lose_it() -> None:
    place = Place()
    endpoint, caller = place.endpoint(), place.caller((frames.INITIAL_WINDOW_SIZE, 4))
    caller.headers(1, head())
    endpoint.headers(1, ANSWER)
    endpoint.data(1, message(10))
    endpoint.headers(1, TRAILERS, end=True)
    assert [event[0] for event in caller.events()] == ["headers", "data"]
    caller.data(1, b"", end=True)
    caller.window(1, 100)
    assert caller.events() == [("data", 1, message(10)[4:], False), ("headers", 1, TRAILERS, True)]
    place.check_idle()
    place.check_credit()


def test_an_answer_before_the_request_could_go_ends_the_request_at_the_endpoint() -> None:
    place = Place()
    endpoint, caller = place.endpoint(0, (frames.INITIAL_WINDOW_SIZE, 4)), place.caller()
    caller.headers(1, head())
    caller.data(1, message(10), end=True)
    endpoint.headers(1, [*ANSWER, ("grpc-status", "3")], end=True)
    assert [event[0] for event in endpoint.events()] == ["headers", "data", "rst"]
    assert status(caller) == (3, "")
    place.check_idle()
    place.check_credit()


def test_empty_data_of_the_caller_does_not_reach_the_endpoint() -> None:
    place = Place()
    caller, endpoint = begun(place)
    caller.data(1, b"", padding=3)
    caller.data(1, b"")
    assert endpoint.events() == []
    caller.rst(1, CANCEL)
    place.check_idle()
    place.check_credit()


def test_a_caller_that_leaves_cancels_at_the_endpoint() -> None:
    place = Place()
    caller, endpoint = begun(place)
    caller.data(1, message(5))
    caller.rst(1, CANCEL)
    assert endpoint.events()[-1] == ("rst", 1, CANCEL)
    assert place.codes() == [1]
    endpoint.headers(1, ANSWER)  # too late, and no error
    endpoint.data(1, message(9))
    assert endpoint.events() == []
    place.check_idle()
    place.check_credit()


def test_a_caller_whose_connection_breaks_cancels_at_the_endpoint() -> None:
    place = Place()
    caller, endpoint = begun(place)
    caller.conn.link = None
    caller.conn.lost("gone")  # type: ignore[attr-defined]
    assert endpoint.events()[-1] == ("rst", 1, CANCEL)
    assert place.codes() == [1]
    place.check_idle()


def test_a_caller_that_leaves_after_its_deadline_ended_by_it() -> None:
    place = Place()
    caller, _ = begun(place, ("grpc-timeout", "1S"))
    place.time += 1.0
    caller.rst(1, CANCEL)
    assert place.codes() == [4]
    place.check_idle()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (0x0, 13),
        (0x1, 13),
        (0x2, 13),
        (0x3, 13),
        (0x4, 13),
        (0x5, 13),
        (0x6, 13),
        (0x8, 1),
        (0x9, 13),
        (0xA, 13),
        (0xB, 8),
        (0xC, 7),
        (0xD, 13),
        (0x99, 13),
    ],
)
@pytest.mark.parametrize("answered", [False, True])
def test_a_reset_of_the_endpoint_is_a_status(error: int, code: int, answered: bool) -> None:
    place = Place()
    caller, endpoint = begun(place, end=True)
    if answered:
        endpoint.headers(1, ANSWER)
    endpoint.rst(1, error)
    assert status(caller) == (code, f"the upstream reset the stream: {frames.error_name(error)}")
    assert place.codes() == [code]
    place.check_idle()


def test_a_connection_that_breaks_in_the_middle_is_unavailable_and_blames_the_endpoint() -> None:
    place = Place()
    caller, endpoint = begun(place, end=True)
    endpoint.headers(1, ANSWER)
    endpoint.conn.lost("the connection broke")  # type: ignore[attr-defined]
    assert status(caller)[0] == 14
    assert place.cluster.failed == [True]
    assert "the connection broke" in place.finished[0].call.cause
    place.check_idle()


# === answers that are none ===


@pytest.mark.parametrize(
    ("http", "code"),
    [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (502, 14), (503, 14), (504, 14), (500, 2), (302, 2)],
)
def test_an_answer_that_is_http_is_a_status(http: int, code: int) -> None:
    place = Place()
    caller, endpoint = begun(place)
    endpoint.headers(1, [(":status", str(http)), ("content-type", "text/html")])
    assert endpoint.events() == [("rst", 1, CANCEL)]
    found = status(caller)
    assert found == (code, f"upstreams/u answered with HTTP {http} of type text/html and not with gRPC")
    assert place.codes() == [code]
    assert place.cluster.failed == [code == 14]
    place.check_idle()


def test_ok_of_another_type_is_no_grpc() -> None:
    place = Place()
    caller, endpoint = begun(place, end=True)
    endpoint.headers(1, [(":status", "200"), ("content-type", "application/json")], end=True)
    assert status(caller)[0] == 2


def test_a_grpc_status_counts_whatever_the_status_of_http() -> None:
    place = Place()
    caller, endpoint = begun(place, end=True)
    endpoint.headers(1, [(":status", "503"), ANSWER[1], ("grpc-status", "7"), ("grpc-message", "no")], end=True)
    assert status(caller) == (7, "no")


@pytest.mark.parametrize("how", ["data", "trailers", "head"])
def test_an_answer_without_a_status_is_unknown(how: str) -> None:
    place = Place()
    caller, endpoint = begun(place, end=True)
    if how == "head":
        endpoint.headers(1, ANSWER, end=True)
    else:
        endpoint.headers(1, ANSWER)
        endpoint.data(1, message(2), end=how == "data")
        if how == "trailers":
            endpoint.headers(1, [("x-a", "b")], end=True)
    assert status(caller) == (2, "upstream upstreams/u ended the call without a status")
    assert place.codes() == [2]
    place.check_idle()
    place.check_credit()


@pytest.mark.parametrize("text", ["17", "-1", "x", "", "00"])
def test_a_status_that_is_none_is_unknown(text: str) -> None:
    place = Place()
    _, endpoint = begun(place, end=True)
    endpoint.headers(1, ANSWER)
    endpoint.headers(1, [("grpc-status", text)], end=True)
    assert place.codes() == [2]


def test_data_before_the_head_never_reaches_the_caller() -> None:
    place = Place()
    caller, endpoint = begun(place, end=True)
    endpoint.data(1, message(3))
    assert endpoint.events() == [("rst", 1, frames.PROTOCOL_ERROR)]
    assert status(caller)[0] == 14
    place.check_idle()
    place.check_credit()


@pytest.mark.parametrize(
    "answer",
    [
        [("content-type", "application/grpc")],
        [(":status", "20"), ("content-type", "application/grpc")],
        [*ANSWER, ("connection", "close")],
        [*ANSWER, ("X-Upper", "1")],
        [*ANSWER, ("x-a", "b\r\nc: d")],
        [*ANSWER, (":status", "200")],
        [*ANSWER, ("content-length", "nine")],
    ],
)
def test_a_malformed_answer_ends_the_call_and_not_the_connection(answer: list[tuple[str, str]]) -> None:
    place = Place()
    caller, endpoint = begun(place, end=True)
    endpoint.headers(1, answer)
    assert endpoint.events() == [("rst", 1, frames.PROTOCOL_ERROR)]
    assert status(caller)[0] == 14
    assert not endpoint.conn.ended
    place.check_idle()


def test_informational_answers_are_passed_over() -> None:
    place = Place()
    caller, endpoint = begun(place, end=True)
    endpoint.headers(1, [(":status", "103"), ("link", "</a>")])
    assert caller.events() == []
    endpoint.headers(1, [*ANSWER, *TRAILERS], end=True)
    assert status(caller) == (0, "")


# === refusals and admissions ===


def test_a_call_that_no_route_takes_is_refused_with_a_reason() -> None:
    place = Place()
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(path="/x.Y/Z"))
    code, words = status(caller)
    assert (code, place.finished[0].call.reason) == (12, NoRoute.reason)
    assert "/x.Y/Z" in words
    caller.data(1, message(10), end=True)
    assert endpoint.events() == []
    place.check_idle()
    place.check_credit()


def test_a_direct_answer_of_ok_is_an_empty_message() -> None:
    place = Place(action=DirectResponse(code=Code.OK, message=""))
    caller = place.caller()
    caller.headers(1, head(), end=True)
    assert caller.events() == [
        ("headers", 1, ANSWER, False),
        ("data", 1, message(0), False),
        ("headers", 1, TRAILERS, True),
    ]
    assert place.codes() == [0]
    place.check_idle()


@pytest.mark.parametrize("text", ["1", "S", "1x", "123456789S", "-1S", "1.5S", "", "٣S"])
def test_a_timeout_that_is_none_is_refused_with_words(text: str) -> None:
    place = Place()
    caller = place.caller()
    caller.headers(1, head(("grpc-timeout", text.encode())), end=True)  # type: ignore[arg-type]
    code, _ = status(caller)
    assert (code, place.codes()) == (3, [3])
    place.check_idle()


@pytest.mark.parametrize("error", [None, Draining("no")])
def test_data_that_comes_during_admission_waits_within_the_window(error: GatewayError | None) -> None:
    limits = Limits(stream_buffer_bytes=1000)
    place = Place(limits, admissions=(Later(error),))
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head())
    caller.data(1, message(495))
    caller.data(1, message(485), end=True)
    assert [event for event in caller.all_events() if event[0] == "window"] == []
    place.admit_waiting()
    if error is None:
        assert [event[2] for event in endpoint.events()][1:] == [message(495), message(485)]
        endpoint.headers(1, [*ANSWER, *TRAILERS], end=True)
        assert status(caller) == (0, "")
    else:
        assert status(caller) == (14, "no")
        assert endpoint.events() == []
    place.check_idle()
    place.check_credit()


def test_a_caller_that_sends_more_than_its_window_during_admission_loses_its_stream_only() -> None:
    place = Place(Limits(stream_buffer_bytes=100), admissions=(Later(),))
    caller = place.caller()
    caller.headers(1, head())
    caller.headers(3, head(), end=True)
    caller.data(1, message(200))
    assert caller.events() == [("rst", 1, frames.FLOW_CONTROL_ERROR)]
    assert list(caller.conn.streams) == [3]
    assert place.codes() == [1]
    place.admit_waiting()
    caller.rst(3, CANCEL)
    place.check_idle()
    place.check_credit()


@pytest.mark.parametrize("leaves", ["reset", "lost", "deadline"])
@pytest.mark.parametrize("waits_for", ["admission", "connection"])
def test_a_call_may_end_while_it_waits(leaves: str, waits_for: str) -> None:
    place = Place(admissions=(Later(),) if waits_for == "admission" else ())
    caller = place.caller()
    caller.headers(1, head(("grpc-timeout", "1S")))
    caller.data(1, message(10))
    if leaves == "reset":
        caller.rst(1, CANCEL)
    elif leaves == "lost":
        caller.conn.lost("gone")  # type: ignore[attr-defined]
    else:
        place.pass_time(1.1)
    assert place.codes() == [4 if leaves == "deadline" else 1]
    place.admit_waiting()
    endpoint = place.endpoint()
    assert endpoint.events() == []
    assert place.codes() == [4 if leaves == "deadline" else 1]
    place.check_idle()


def test_a_call_waits_for_a_connection_and_goes_on_when_there_is_one() -> None:
    place = Place()
    caller = place.caller()
    caller.headers(1, head())
    caller.data(1, message(10))
    caller.data(1, message(20), end=True)
    endpoint = place.endpoint()
    assert [event[2:] for event in endpoint.events()][1:] == [(message(10), False), (message(20), True)]
    place.check_credit()


def test_an_endpoint_that_cannot_be_reached_is_unavailable() -> None:
    place = Place()
    caller = place.caller()
    caller.headers(1, head(), end=True)
    place.carriers[0].give_up("connection refused")
    assert status(caller) == (14, "upstream upstreams/u could not be reached")
    assert place.finished[0].call.cause == "192.0.2.1:1: connection refused"
    assert place.cluster.failed == [True]
    place.check_idle()


def test_a_full_connection_lets_the_next_call_go_when_a_stream_ends() -> None:
    place = Place()
    endpoint, caller = place.endpoint(0, (frames.MAX_CONCURRENT_STREAMS, 1)), place.caller()
    caller.headers(1, head(), end=True)
    caller.headers(3, head(), end=True)
    assert len(endpoint.events()) == 1
    endpoint.headers(1, [*ANSWER, *TRAILERS], end=True)
    assert [event[1] for event in endpoint.events()] == [3]
    caller.rst(3, CANCEL)
    place.check_idle()


def test_refused_streams_are_tried_four_times() -> None:
    place = Place()
    caller, endpoint = begun(place, end=True)
    for number in (1, 3, 5, 7):
        endpoint.rst(number, REFUSED_STREAM)
    assert status(caller)[0] == 14
    assert (place.finished[0].call.attempts, place.cluster.failed) == (4, [False, False, False, True])
    place.check_idle()
