"""Calls of all four kinds: what reaches the upstream, what reaches the caller, and who waits for whom."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from bookstore.v1 import bookstore_pb2
from edge.model.call import StatusSource
from edge.model.errors import DeadlineExceeded
from edge.model.status import Code, Detail, Status
from edge.model.transcoding import Transcoding
from tests.support.web_socket_exchange import MemoryUpstream
from tests.transcoding.websocket.books import BIDI, CLIENT, SERVER, UNARY, book, converse, shelf, text

JSON, PROTO = "edge.json.v1", "edge.proto.v1"


async def turns(count: int = 20) -> None:
    """Let everything that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


def own_tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if "WebSocket" in task.get_name()}


# === the four kinds ===


async def test_unary_bare() -> None:
    call = converse(UNARY)
    socket = await call.socket()
    socket.say(text({"name": "shelves/sea"}))
    assert await call.upstream.got() == [bookstore_pb2.GetShelfRequest(name="shelves/sea").SerializeToString()]
    call.upstream.answer(shelf())
    assert [json.loads(frame) for frame in await socket.rest()] == [{"name": "shelves/sea", "theme": "Sea"}]
    assert socket.closed == (1000, "")
    assert (await call.done()).code is Code.OK
    assert call.upstream.unary_calls == 1, "unary calls have the limits of unary calls"


async def test_unary_json_has_headers_and_trailers() -> None:
    call = converse(UNARY, JSON)
    socket = await call.socket()
    socket.say(text({"message": {"name": "shelves/sea"}, "end": True}))
    await call.upstream.got()
    call.upstream.trailing = (("x-cost", "3"), ("x-raw-bin", b"\x00\xff"))
    call.upstream.begin(("x-shard", "a"), ("x-shard", "b"))
    call.upstream.answer(shelf())
    assert [json.loads(frame) for frame in await socket.rest()] == [
        {"headers": {"x-shard": ["a", "b"]}},
        {"message": {"name": "shelves/sea", "theme": "Sea"}},
        {
            "end": {
                "status": {"code": 0, "message": "", "details": []},
                "trailers": {"x-cost": ["3"], "x-raw-bin": ["AP8"]},
            }
        },
    ]
    assert socket.closed == (1000, "")


async def test_unary_proto() -> None:
    call = converse(UNARY, PROTO)
    socket = await call.socket()
    request = bookstore_pb2.GetShelfRequest(name="shelves/sea").SerializeToString()
    socket.say(b"\0" + request)
    assert await call.upstream.got() == [request]
    call.upstream.answer(shelf())
    headers, message, end = await socket.rest()
    assert (headers, message) == (b"\1{}", b"\0" + shelf())
    assert isinstance(end, bytes)
    assert end[0] == 2
    assert json.loads(end[1:])["status"]["code"] == 0


async def test_server_stream_after_the_first_frame() -> None:
    call = converse(SERVER)
    socket = await call.socket()
    socket.say(text({"parent": "shelves/sea"}))
    assert await call.upstream.got() == [bookstore_pb2.StreamBooksRequest(parent="shelves/sea").SerializeToString()]
    await call.upstream.half_closed.wait()
    for title in ("A", "B", "C"):
        call.upstream.answer(book(title))
        frame = await socket.hear()
        assert frame is not None
        assert json.loads(frame) == {"title": title}, "each message is sent when it comes"
    call.upstream.finish()
    assert await socket.rest() == []
    assert socket.closed == (1000, "")


async def test_client_stream_until_the_half_close() -> None:
    call = converse(CLIENT)
    socket = await call.socket()
    socket.say(*(text({"parent": "shelves/sea", "book": {"title": str(number)}}) for number in range(3)))
    await call.upstream.got(3)
    assert not call.upstream.half_closed.is_set()
    socket.say("")
    await call.upstream.half_closed.wait()
    call.upstream.answer(bookstore_pb2.ImportBooksResponse(imported_count=3).SerializeToString())
    call.upstream.finish()
    assert [json.loads(frame) for frame in await socket.rest()] == [{"importedCount": 3}]
    assert (await call.done()).code is Code.OK


async def test_bidi_goes_both_ways_at_once() -> None:
    call = converse(BIDI, JSON)
    socket = await call.socket()
    call.upstream.begin()
    assert await socket.hear() == '{"headers":{}}', "before the caller has said anything"
    for count, subject in enumerate(("sea", "sky"), 1):
        socket.say(text({"message": {"subject": subject}}))
        await call.upstream.got(count)
        call.upstream.answer(bookstore_pb2.RecommendBooksResponse(subject=subject).SerializeToString())
        frame = await socket.hear()
        assert frame is not None
        assert json.loads(frame) == {"message": {"subject": subject}}
    socket.say(text({"end": True}))
    await call.upstream.half_closed.wait()
    call.upstream.finish()
    frames = await socket.rest()
    assert [list(json.loads(frame)) for frame in frames] == [["end"]]


async def test_the_upstream_may_end_a_bidi_call_first() -> None:
    call = converse(BIDI)
    socket = await call.socket()
    socket.say(text({"subject": "sea"}))
    await call.upstream.got()
    call.upstream.finish()
    assert await socket.rest() == []
    assert socket.closed == (1000, "")
    assert not own_tasks()


# === URLs that say it ===


async def test_a_url_that_says_it_all_needs_no_frame() -> None:
    call = converse(UNARY, variables={"name": "shelves/sea"})
    socket = await call.socket()
    assert await call.upstream.got() == [bookstore_pb2.GetShelfRequest(name="shelves/sea").SerializeToString()]
    call.upstream.answer(shelf())
    assert len(await socket.rest()) == 1


async def test_a_server_stream_by_url() -> None:
    call = converse(SERVER, variables={"parent": "shelves/sea"})
    socket = await call.socket()
    await call.upstream.half_closed.wait()
    call.upstream.answer(book("A"))
    call.upstream.finish()
    assert [json.loads(frame) for frame in await socket.rest()] == [{"title": "A"}]


async def test_url_and_body_make_one_request() -> None:
    call = converse("CreateBook", variables={"parent": "shelves/sea"}, query="book_id=waves")
    socket = await call.socket()
    socket.say(text({"title": "The Waves"}))
    expected = bookstore_pb2.CreateBookRequest(parent="shelves/sea", book_id="waves")
    expected.book.title = "The Waves"
    assert bookstore_pb2.CreateBookRequest.FromString((await call.upstream.got())[0]) == expected
    call.upstream.answer(book("The Waves"))
    await socket.rest()


async def test_url_and_binary_frame_make_one_request() -> None:
    call = converse("CreateBook", PROTO, variables={"parent": "shelves/sea"})
    socket = await call.socket()
    sent = bookstore_pb2.CreateBookRequest(parent="shelves/other", book=bookstore_pb2.Book(title="The Waves"))
    socket.say(b"\0" + sent.SerializeToString())
    got = bookstore_pb2.CreateBookRequest.FromString((await call.upstream.got())[0])
    assert (got.parent, got.book.title) == ("shelves/sea", "The Waves"), "the URL goes before the frame"
    call.upstream.answer(book("The Waves"))
    await socket.rest()


async def test_each_message_of_a_client_stream_is_a_body() -> None:
    call = converse(BIDI, variables={})
    socket = await call.socket()
    socket.say(text({"subject": "sea"}), text({"subject": "sky"}), "")
    assert await call.upstream.got(2) == [
        bookstore_pb2.RecommendBooksRequest(subject=subject).SerializeToString() for subject in ("sea", "sky")
    ]
    call.upstream.finish()
    await socket.rest()


async def test_a_url_that_does_not_fit_is_refused_before_the_upgrade() -> None:
    call = converse(UNARY, variables={"name": "shelves/sea"}, query="nam=x")
    assert (await call.done()).code is Code.INVALID_ARGUMENT
    assert call.exchange.answer is not None
    status, _, body = call.exchange.answer
    assert status == 400
    assert "did you mean `name`?" in json.loads(body)["message"]


# === how calls end ===


@pytest.mark.parametrize("by_url", [True, False])
async def test_a_status_of_the_upstream_is_the_close_code(by_url: bool) -> None:
    call = converse(UNARY, variables={"name": "shelves/x"} if by_url else None)
    socket = await call.socket()
    if not by_url:
        socket.say("{}")
    await call.upstream.got()
    call.upstream.fail(Code.NOT_FOUND, "no such shelf")
    assert await socket.rest() == []
    assert socket.closed == (4005, "no such shelf")
    finished = await call.done()
    assert (finished.code, finished.source) == (Code.NOT_FOUND, StatusSource.UPSTREAM)


async def test_details_and_trailers_of_a_failure_are_in_the_end_frame() -> None:
    call = converse(SERVER, JSON, variables={"parent": "shelves/sea"})
    socket = await call.socket()
    call.upstream.answer(book("A"))
    detail = Detail("type.googleapis.com/acme.Unknown", b"\x08\x01")
    call.upstream.fail(Code.ABORTED, trailing=(("x-cost", "3"),), status=Status(Code.ABORTED, "enough", (detail,)))
    *_, last = [json.loads(frame) for frame in await socket.rest()]
    assert last == {
        "end": {
            "status": {
                "code": 10,
                "message": "enough",
                "details": [{"@type": "type.googleapis.com/acme.Unknown", "value": "CAE="}],
            },
            "trailers": {"x-cost": ["3"]},
        }
    }
    assert socket.closed == (4010, "enough")


async def test_a_call_that_fails_at_once_has_no_headers_frame() -> None:
    call = converse(SERVER, JSON, variables={"parent": "shelves/sea"})
    socket = await call.socket()
    call.upstream.fail(Code.UNAVAILABLE, "down")
    assert [list(json.loads(frame)) for frame in await socket.rest()] == [["end"]]


@pytest.mark.parametrize(("name", "answers"), [(CLIENT, 0), (CLIENT, 2)], ids=["none", "two"])
async def test_one_response_is_what_a_client_stream_gets(name: str, answers: int) -> None:
    call = converse(name)
    socket = await call.socket()
    socket.say("")
    for _ in range(answers):
        call.upstream.answer(bookstore_pb2.ImportBooksResponse(imported_count=1).SerializeToString())
    call.upstream.finish()
    await socket.rest()
    assert socket.closed is not None
    assert socket.closed[0] == 4013
    assert (await call.done()).code is Code.INTERNAL


async def test_bytes_of_the_upstream_that_are_no_message() -> None:
    call = converse(UNARY)
    socket = await call.socket()
    socket.say("{}")
    await call.upstream.got()
    call.upstream.answer(b"\xff")
    await socket.rest()
    assert socket.closed is not None
    assert socket.closed == (4013, "the upstream's response is no serialized `bookstore.v1.Shelf`")


# === callers that do wrong ===


@pytest.mark.parametrize(
    ("name", "mode", "frames", "closed", "words"),
    [
        (UNARY, "", ['{"nam": "x"}'], 4003, "nam: "),
        (BIDI, "", ['{"subject": 3}'], 4003, "subject: "),
        (CLIENT, "", ['{"book": {"year": "late"}}'], 4003, "book.year: "),
        (UNARY, "", ["{"], 4003, "the text is no JSON"),
        (UNARY, "", ["null"], 4003, "the message is null"),
        (UNARY, "", [""], 4003, "takes one message, and there is none"),
        (UNARY, "", ["{}", "{}"], 1008, "takes one message, and this is another"),
        (SERVER, "", ["{}", "{}"], 1008, "takes one message, and this is another"),
        (SERVER, "", ["{}", "", ""], 1008, "has its half-close already"),
        (CLIENT, "", ["", "{}"], 1008, "this comes behind it"),
        (BIDI, "", [b"{}"], 1003, "takes text frames"),
        (BIDI, PROTO, ["{}"], 1003, "takes binary frames"),
        (BIDI, PROTO, [b""], 4003, "the frame is empty"),
        (BIDI, PROTO, [b"\7x"], 4003, "the byte 7"),
        (BIDI, PROTO, [b"\2x"], 4003, "has more behind it"),
        (BIDI, JSON, ['{"mesage": {}}'], 4003, "did you mean `message`?"),
        (BIDI, JSON, ["[]"], 4003, "a frame is"),
        (BIDI, JSON, ["{}"], 4003, "a frame is"),
        (BIDI, JSON, ['{"end": false}'], 4003, "`end` takes nothing but `true`"),
    ],
)
async def test_what_is_wrong_is_said(name: str, mode: str, frames: list[str | bytes], closed: int, words: str) -> None:
    call = converse(name, *([mode] if mode else []))
    socket = await call.socket()
    socket.say(*frames)
    heard = await socket.rest()
    assert socket.closed is not None
    assert socket.closed[0] == closed
    assert words in socket.closed[1]
    finished = await call.done()
    assert (finished.code, finished.source) == (Code.INVALID_ARGUMENT, StatusSource.GATEWAY)
    assert call.call.reason == "TRANSCODING_FAILED"
    if mode:
        last = heard[-1]
        end = json.loads(last if isinstance(last, str) else last[1:])
        status = (end["end"] if mode == JSON else end)["status"]
        assert (status["code"], status["message"]) == (3, socket.closed[1])
    assert not own_tasks()


async def test_a_binary_frame_that_is_no_message_of_the_url() -> None:
    call = converse("CreateBook", PROTO, variables={"parent": "shelves/sea"})
    socket = await call.socket()
    socket.say(b"\0\xff")
    await socket.rest()
    assert socket.closed == (4003, "the frame holds no serialized `bookstore.v1.CreateBookRequest`")


@pytest.mark.parametrize("name", [UNARY, SERVER, CLIENT, BIDI])
async def test_a_message_larger_than_the_route_allows(name: str) -> None:
    call = converse(name, PROTO, limit=100)
    socket = await call.socket()
    socket.say(b"\0" + bytes(101))
    await socket.rest()
    assert socket.closed is not None
    assert socket.closed == (
        1009,
        "a request message of 101 bytes is larger than the 100 bytes that "
        "max_request_message_bytes of routes/books allows",
    )
    assert (await call.done()).code is Code.RESOURCE_EXHAUSTED
    assert call.exchange.limit > 101, "or else nobody could say so"


async def test_a_frame_larger_than_the_limit_of_web_sockets() -> None:
    call = converse(BIDI, transcoding=Transcoding(web_socket_max_message_bytes=50))
    socket = await call.socket()
    socket.say(text({"subject": "ü" * 8}))  # 16 bytes on the wire, but json.dumps escapes them to 48
    socket.say('{"subject": "%s"}' % ("ü" * 18))
    await socket.rest()
    assert len(call.upstream.requests) <= 1
    assert socket.closed is not None
    assert socket.closed[0] == 1009
    assert "transcoding.web_socket.max_message_bytes of routes/books" in socket.closed[1]
    assert (await call.done()).code is Code.RESOURCE_EXHAUSTED


# === callers that leave ===


@pytest.mark.parametrize("code", [None, 1000, 1001])
@pytest.mark.parametrize("name", [UNARY, SERVER, CLIENT, BIDI])
async def test_the_upstream_is_let_go_when_the_caller_leaves(name: str, code: int | None) -> None:
    call = converse(name)
    socket = await call.socket()
    socket.say("{}")
    await call.upstream.got()
    socket.leave(code)
    async with asyncio.timeout(10):
        await call.upstream.closed.wait()
    finished = await call.done()
    assert (finished.code, finished.source) == (Code.CANCELLED, StatusSource.CALLER)
    assert not own_tasks()


@pytest.mark.parametrize("name", [UNARY, SERVER])
async def test_a_caller_that_leaves_without_a_word(name: str) -> None:
    call = converse(name)
    (await call.socket()).leave()
    assert (await call.done()).code is Code.CANCELLED
    assert call.upstream.requests == []


async def test_a_caller_that_leaves_after_its_half_close() -> None:
    call = converse(CLIENT)
    socket = await call.socket()
    socket.say("")
    await call.upstream.half_closed.wait()
    socket.leave(1000)
    assert (await call.done()).code is Code.CANCELLED


@pytest.mark.parametrize("name", [UNARY, SERVER, CLIENT, BIDI])
async def test_a_front_that_cancels_leaves_no_task_behind(name: str) -> None:
    call = converse(name)
    socket = await call.socket()
    socket.say("{}")
    await call.upstream.got()
    assert call.task is not None
    call.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.task
    assert [finished.code for finished in call.finished] == [Code.CANCELLED]
    assert not own_tasks()


# === who waits for whom ===


async def test_an_upstream_that_does_not_read_holds_up_the_caller() -> None:
    call = converse(BIDI)
    socket = await call.socket()
    call.upstream.accepting.clear()
    socket.say(*[text({"subject": str(number)}) for number in range(10)])
    await turns()
    assert socket.taken == 1, "the next frame is read when this one is on its way"
    call.upstream.accepting.set()
    await call.upstream.got(10)
    call.upstream.finish()
    await socket.rest()


async def test_a_caller_that_does_not_read_holds_up_the_upstream() -> None:
    call = converse(SERVER, variables={"parent": "shelves/sea"})
    socket = await call.socket()
    socket.reading.clear()
    call.upstream.answer(*[book(str(number)) for number in range(10)])
    call.upstream.finish()
    await turns()
    assert call.upstream._answers.qsize() == 10, "of eleven, one is on its way"
    socket.reading.set()
    assert len(await socket.rest()) == 10


async def test_answers_go_on_while_the_upstream_does_not_read() -> None:
    call = converse(BIDI)
    socket = await call.socket()
    call.upstream.accepting.clear()
    socket.say(text({"subject": "sea"}))
    call.upstream.answer(bookstore_pb2.RecommendBooksResponse(subject="sky").SerializeToString())
    frame = await socket.hear()
    assert frame is not None
    assert json.loads(frame) == {"subject": "sky"}
    call.upstream.finish()
    await socket.rest()


async def test_what_is_said_after_the_upstream_has_ended_is_dropped() -> None:
    call = converse(BIDI)
    socket = await call.socket()
    socket.reading.clear()
    call.upstream.answer(*[bookstore_pb2.RecommendBooksResponse().SerializeToString()] * 3)
    call.upstream.finish()
    await turns()
    socket.say(text({"subject": "late"}), "no JSON at all")
    await turns()
    assert socket.taken == 2
    socket.reading.set()
    assert len(await socket.rest()) == 3
    assert socket.closed == (1000, "")
    assert call.upstream.requests == []


# === time ===


@pytest.mark.parametrize("name", [UNARY, SERVER, CLIENT, BIDI])
@pytest.mark.parametrize("said", [True, False])
async def test_silence_ends_a_call(name: str, said: bool) -> None:
    call = converse(name, transcoding=Transcoding(web_socket_idle_timeout=0.05))
    socket = await call.socket()
    if said:
        socket.say("{}")
    began = time.monotonic()
    await socket.rest()
    assert time.monotonic() - began >= 0.04
    assert socket.closed is not None
    assert socket.closed == (
        4004,
        "no frame for the 0.05 s that transcoding.web_socket.idle_timeout of routes/books allows",
    )
    finished = await call.done()
    assert (finished.code, finished.source) == (Code.DEADLINE_EXCEEDED, StatusSource.GATEWAY)
    assert not own_tasks()


async def test_frames_of_either_side_keep_a_call() -> None:
    call = converse(BIDI, transcoding=Transcoding(web_socket_idle_timeout=0.2))
    socket = await call.socket()
    began = time.monotonic()
    for count in range(1, 7):
        if count % 2:
            socket.say("{}")
            await call.upstream.got(count // 2 + 1)
        else:
            call.upstream.answer(bookstore_pb2.RecommendBooksResponse().SerializeToString())
            assert await socket.hear() == "{}"
        await asyncio.sleep(0.08)
    assert time.monotonic() - began > 0.4
    assert socket.closed is None
    call.upstream.finish()
    await socket.rest()
    assert socket.closed == (1000, "")


async def test_a_deadline_ends_a_call_whose_caller_does_not_read() -> None:
    call = converse(SERVER, variables={"parent": "shelves/sea"}, deadline=time.monotonic() - 0.95)
    socket = await call.socket()
    socket.reading.clear()
    call.upstream.answer(book("A"))
    async with asyncio.timeout(10):
        await call.upstream.closed.wait()
    socket.reading.set()
    await socket.rest()
    assert socket.closed == (4004, "the caller's deadline has passed")


async def test_a_time_limit_of_the_route_reaches_a_caller_that_does_not_read() -> None:
    call = converse(SERVER, JSON, variables={"parent": "shelves/sea"})
    socket = await call.socket()
    socket.reading.clear()
    call.upstream.answer(book("A"))
    await turns()
    call.upstream.end(DeadlineExceeded("the call took longer than the route allows"))
    finished = await call.done()
    assert finished.code is Code.DEADLINE_EXCEEDED
    assert socket.closed == (4004, "the call took longer than the route allows")
    assert not own_tasks()


async def test_no_task_is_left_of_many_calls() -> None:
    for _ in range(50):
        call = converse(BIDI, upstream=MemoryUpstream(echo=b""))
        socket = await call.socket()
        socket.say("{}", "")
        assert await socket.rest() == ["{}"]
        await call.done()
    assert not own_tasks()
