"""Calls to servers of every make, whole and as their callers meant them."""

from __future__ import annotations

import asyncio
import os

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from tests.integration.peers.conftest import Meeting
from tests.support.rpc import (
    blob,
    call_id,
    drain,
    each,
    echo,
    failure,
    finish,
    hang,
    headers,
    read,
    recorded,
    script,
    send,
    values,
)

BITS = bytes(range(256))
LARGE = 3 * 1024 * 1024
WORDS = "„Bücher“ 本, 100 %"


async def test_metadata_and_trailers_both_ways(meeting: Meeting) -> None:
    record = await meeting.probe.Inspect(
        blob(), metadata=(("x-mine", "one"), ("x-mine", "two"), ("x-bits-bin", BITS)), timeout=10
    )
    assert b", ".join(recorded(record, "x-mine")) == b"one, two"
    assert recorded(record, "x-bits-bin") == [BITS]
    assert recorded(record, "x-request-id")
    metadata = script(
        headers((("x-first", "1"), ("x-first-bin", BITS))), trailing=(("x-last", "2"), ("x-last-bin", BITS))
    )
    call = meeting.probe.RunUnary(blob(7), metadata=metadata, timeout=10)
    assert (await call).number == 7
    assert values(await call.initial_metadata(), "x-first") == ["1"]
    assert values(await call.initial_metadata(), "x-first-bin") == [BITS]
    assert values(await call.trailing_metadata(), "x-last") == ["2"]
    assert values(await call.trailing_metadata(), "x-last-bin") == [BITS]


async def test_streams_of_every_kind(meeting: Meeting) -> None:
    messages, code = await drain(meeting.probe.RunServerStream(blob(), metadata=script(send(500, 100)), timeout=20))
    assert ([message.number for message in messages], code) == (list(range(500)), grpc.StatusCode.OK)
    requests = each(blob(number, 1000) for number in range(200))
    last = await meeting.probe.RunClientStream(requests, metadata=script(read()), timeout=20)
    assert last.number == 199
    both = meeting.probe.RunBidi(metadata=script(echo(), trailing=(("x-last", "2"),)), timeout=20)
    for number in range(100):
        await both.write(blob(number, number))
        answer = await both.read()
        assert (answer.number, len(answer.data)) == (number, number)
    await both.done_writing()
    assert await both.read() is grpc.aio.EOF
    assert await both.code() is grpc.StatusCode.OK
    assert values(await both.trailing_metadata(), "x-last") == ["2"]


async def test_errors_with_words_and_details(meeting: Meeting) -> None:
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason="OUT_OF_STOCK", domain="peers.test", metadata={"book": "本"}))
    status = status_pb2.Status(code=9, message=WORDS, details=[detail])
    trailing = (("grpc-status-details-bin", status.SerializeToString()), ("x-last", "2"))
    for steps in ((), (send(2),)):
        end = finish(grpc.StatusCode.FAILED_PRECONDITION, WORDS)
        call = meeting.probe.RunServerStream(blob(), metadata=script(*steps, end, trailing=trailing), timeout=10)
        messages, code = await drain(call)
        assert (len(messages), code) == (2 * len(steps), grpc.StatusCode.FAILED_PRECONDITION)
        assert await call.details() == WORDS
        found = await call.trailing_metadata()
        assert values(found, "x-last") == ["2"]
        (encoded,) = values(found, "grpc-status-details-bin")
        assert isinstance(encoded, bytes)
        assert status_pb2.Status.FromString(encoded) == status
    error = await failure(meeting.probe.RunUnary(blob(), metadata=script(finish(10, "short")), timeout=10))
    assert (error.code(), error.details()) == (grpc.StatusCode.ABORTED, "short")


async def test_a_cancelled_call_ends_at_the_server(meeting: Meeting) -> None:
    this = call_id("cancelled")
    call = meeting.probe.RunBidi(metadata=script(send(1), hang(), call=this), timeout=30)
    await call.write(blob())
    assert (await call.read()).number == 0
    call.cancel()
    assert (await meeting.seen(this, cancelled=True)).cancelled
    await meeting.answers()


async def test_a_deadline_is_known_to_the_server_and_kept(meeting: Meeting) -> None:
    this = call_id("late")
    metadata = script(hang(), call=this)
    error = await failure(meeting.probe.RunUnary(blob(), metadata=metadata, timeout=0.4))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    record = await meeting.seen(this, ended=True)
    assert 0 < record.time_remaining < 0.45, "the deadline is not that of the caller"


async def test_large_messages(meeting: Meeting) -> None:
    data = os.urandom(LARGE)
    both = meeting.probe.RunBidi(metadata=script(echo()), timeout=30)
    for number in range(3):
        request = blob(number)
        request.data = data
        await both.write(request)
        answer = await both.read()
        assert answer.number == number
        assert answer.data == data
    await both.done_writing()
    assert await both.code() is grpc.StatusCode.OK


async def test_many_calls_at_once(meeting: Meeting) -> None:
    async def call(number: int) -> None:
        answer = await meeting.probe.RunUnary(blob(number, number), timeout=30)
        assert (answer.number, len(answer.data)) == (number, number)

    await asyncio.gather(*(call(number) for number in range(300)))


async def test_compressed_messages_pass_as_they_came(meeting: Meeting) -> None:
    """8 MB of zeros are over the gateway's limit; as they are sent, in gzip, they are not."""
    request = blob(1, 8 * 1024 * 1024)
    options = {"metadata": script(send(1)), "compression": grpc.Compression.Gzip, "timeout": 30}
    call = meeting.probe.RunServerStream(request, **options)
    messages, code = await drain(call)
    if meeting.behind.kind == "grpclib":
        # it knows no compression, which only a proxy that decompresses could hide
        assert (messages, code) == ([], grpc.StatusCode.UNKNOWN)
    else:
        assert (len(messages), code) == (1, grpc.StatusCode.OK), await call.details()
