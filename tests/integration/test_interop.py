"""The cases of grpc/grpc doc/interop-test-descriptions.md, directly and through the gateway; each test has the
name of its row.

Left out, because a plain grpcio client cannot check them: cacheable_unary (no GET in grpcio) and the cloud credentials
(compute_engine_creds, jwt_token_creds, google_default_credentials, …), for which per_rpc_creds stands in. Of the
compressed cases the payloads are compared here and the flags in test_protocol_messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from probe import probe_pb2, testing_pb2

from tests.integration.conftest import Target
from tests.support.engine import AIO
from tests.support.raw_peer import RawClient, request_headers
from tests.support.rpc import (
    ROOMY,
    TEST_SERVICE,
    Stub,
    blob,
    call_id,
    connect,
    drain,
    each,
    failure,
    finish,
    hang,
    headers,
    pairs,
    read,
    recorded,
    script,
    send,
    sleep,
    values,
    wait,
)

LARGE_REQUEST = 271_828
LARGE_RESPONSE = 314_159
UNKNOWN = testing_pb2.EchoStatus(code=2, message="test status message")
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
ECHO = (
    ("x-grpc-test-echo-initial", "test_initial_metadata_value"),
    ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab"),
)
SHAPES = ("RunUnary", "RunClientStream", "RunServerStream", "RunBidi")


def large_request(**more: Any) -> testing_pb2.SimpleRequest:
    return testing_pb2.SimpleRequest(
        response_size=LARGE_RESPONSE, payload=testing_pb2.Payload(body=bytes(LARGE_REQUEST)), **more
    )


def asking(*sizes: int, request: int = 0, interval_us: int = 0) -> testing_pb2.StreamingOutputCallRequest:
    return testing_pb2.StreamingOutputCallRequest(
        response_parameters=[testing_pb2.ResponseParameters(size=size, interval_us=interval_us) for size in sizes],
        payload=testing_pb2.Payload(body=bytes(request)),
    )


def inputs(*sizes: int) -> list[testing_pb2.StreamingInputCallRequest]:
    return [testing_pb2.StreamingInputCallRequest(payload=testing_pb2.Payload(body=bytes(size))) for size in sizes]


def start(stub: Stub, shape: str, metadata: Any, messages: Sequence[Any] = (), timeout: float | None = 20) -> Any:
    """Start a scripted call of any shape, with its requests."""
    method = getattr(stub, shape)
    if shape in {"RunUnary", "RunServerStream"}:
        return method(messages[0] if messages else blob(), metadata=metadata, timeout=timeout)
    return method(each(messages), metadata=metadata, timeout=timeout)


async def end(call: Any, shape: str) -> grpc.StatusCode:
    """Wait for the end of a call of any shape."""
    if shape in {"RunUnary", "RunClientStream"}:
        return (await failure(call)).code()
    _, code = await drain(call)
    return code


async def test_empty_unary(target: Target) -> None:
    received: list[bytes] = []

    def take(data: bytes) -> bytes:
        received.append(data)
        return data

    call = target.channel.unary_unary(f"/{TEST_SERVICE.full_name}/EmptyCall", response_deserializer=take)
    assert await call(b"", timeout=10) == b""
    assert received == [b""]


async def test_cacheable_unary(target: Target) -> None:
    """It wants GET, which a proxy that does not cache may refuse; grpcio cannot send it, so this is a raw client."""
    async with RawClient(target.address) as client:
        path = f"/{TEST_SERVICE.full_name}/CacheableUnaryCall"
        stream = await client.call(path, b"", headers=request_headers(path, method="GET"))
    # grpc's server resets the stream, which a caller takes as INTERNAL
    refused_below = stream.grpc_status is None and stream.reset == 2 and (target.gateway is None or AIO)
    assert refused_below or stream.grpc_status in {2, 12, 13}


async def test_large_unary(target: Target) -> None:
    response = await target.tests.UnaryCall(large_request(), timeout=10)
    assert response.payload.body == bytes(LARGE_RESPONSE)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate, None])
async def test_client_compressed_unary(target: Target, compression: grpc.Compression | None) -> None:
    response = await target.tests.UnaryCall(large_request(), compression=compression, timeout=10)
    assert response.payload.body == bytes(LARGE_RESPONSE)


@pytest.mark.parametrize("wanted", [True, False])
async def test_server_compressed_unary(target: Target, wanted: bool) -> None:
    request = large_request(response_compressed=testing_pb2.BoolValue(value=wanted))
    response = await target.tests.UnaryCall(request, timeout=10)
    assert response.payload.body == bytes(LARGE_RESPONSE)


async def test_client_streaming(target: Target) -> None:
    response = await target.tests.StreamingInputCall(each(inputs(27182, 8, 1828, 45904)), timeout=10)
    assert response.aggregated_payload_size == 74922


async def test_client_compressed_streaming(target: Target) -> None:
    response = await target.tests.StreamingInputCall(
        each(inputs(27182, 45904)), compression=grpc.Compression.Gzip, timeout=10
    )
    assert response.aggregated_payload_size == 73086


async def test_server_streaming(target: Target) -> None:
    call = target.tests.StreamingOutputCall(asking(31415, 9, 2653, 58979), timeout=10)
    messages, code = await drain(call)
    assert [len(message.payload.body) for message in messages] == [31415, 9, 2653, 58979]
    assert code is grpc.StatusCode.OK


async def test_server_compressed_streaming(target: Target) -> None:
    call = target.tests.StreamingOutputCall(asking(31415, 92653), timeout=10, compression=grpc.Compression.Gzip)
    messages, _ = await drain(call)
    assert [len(message.payload.body) for message in messages] == [31415, 92653]


async def test_ping_pong(target: Target) -> None:
    call = target.tests.FullDuplexCall(timeout=10)
    for request, response in ((27182, 31415), (8, 9), (1828, 2653), (45904, 58979)):
        await call.write(asking(response, request=request))
        assert len((await call.read()).payload.body) == response
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_half_duplex(target: Target) -> None:
    call = target.tests.HalfDuplexCall(each([asking(10), asking(20, 30)]), timeout=10)
    messages, code = await drain(call)
    assert [len(message.payload.body) for message in messages] == [10, 20, 30]
    assert code is grpc.StatusCode.OK


async def test_empty_stream(target: Target) -> None:
    call = target.tests.FullDuplexCall(timeout=10)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_per_rpc_creds(target: Target) -> None:
    """Two calls on one channel with different tokens do not mix (P27)."""
    tokens = [f"Bearer fake-{number}" for number in range(20)]
    answers = await asyncio.gather(
        *(target.probe.Inspect(blob(), metadata=(("authorization", token),), timeout=10) for token in tokens)
    )
    assert [recorded(answer, "authorization") for answer in answers] == [[token.encode()] for token in tokens]


@pytest.mark.parametrize("size", [LARGE_RESPONSE, 0])
async def test_custom_metadata_unary(target: Target, size: int) -> None:
    request = large_request()
    request.response_size = size
    call = target.tests.UnaryCall(request, metadata=ECHO, timeout=10)
    assert len((await call).payload.body) == size
    await check_echo(call)


async def test_custom_metadata_full_duplex(target: Target) -> None:
    call = target.tests.FullDuplexCall(metadata=ECHO, timeout=10)
    await call.write(asking(LARGE_RESPONSE, request=LARGE_REQUEST))
    await call.done_writing()
    assert len((await call.read()).payload.body) == LARGE_RESPONSE
    assert await call.read() is grpc.aio.EOF
    await check_echo(call)


async def check_echo(call: Any) -> None:
    initial, trailing = await call.initial_metadata(), await call.trailing_metadata()
    assert values(initial, "x-grpc-test-echo-initial") == ["test_initial_metadata_value"]
    assert values(trailing, "x-grpc-test-echo-trailing-bin") == [b"\xab\xab\xab"]
    assert not values(initial, "x-grpc-test-echo-trailing-bin")
    assert not values(trailing, "x-grpc-test-echo-initial")


async def test_status_code_and_message_unary(target: Target) -> None:
    error = await failure(target.tests.UnaryCall(testing_pb2.SimpleRequest(response_status=UNKNOWN), timeout=10))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, "test status message")


async def test_status_code_and_message_full_duplex(target: Target) -> None:
    call = target.tests.FullDuplexCall(timeout=10)
    await call.write(testing_pb2.StreamingOutputCallRequest(response_status=UNKNOWN))
    await call.done_writing()
    assert await drain(call) == ([], grpc.StatusCode.UNKNOWN)
    assert await call.details() == "test status message"


async def test_special_status_message(target: Target) -> None:
    status = testing_pb2.EchoStatus(code=2, message=SPECIAL)
    error = await failure(target.tests.UnaryCall(testing_pb2.SimpleRequest(response_status=status), timeout=10))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, SPECIAL)


async def test_unimplemented_method(target: Target) -> None:
    error = await failure(target.tests.UnimplementedCall(testing_pb2.Empty(), timeout=10))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_unimplemented_method_that_no_schema_has(target: Target) -> None:
    call = target.channel.unary_unary(f"/{TEST_SERVICE.full_name}/NoSuchMethod")
    assert (await failure(call(b"", timeout=10))).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_unimplemented_service(target: Target) -> None:
    call = target.channel.unary_unary("/grpc.testing.UnimplementedService/UnimplementedCall")
    assert (await failure(call(b"", timeout=10))).code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("service", [TEST_SERVICE.full_name, "grpc.testing.UnimplementedService"])
async def test_unimplemented_server_streaming(target: Target, service: str) -> None:
    call = target.channel.unary_stream(f"/{service}/NoSuchMethod")(b"", timeout=10)
    assert await drain(call) == ([], grpc.StatusCode.UNIMPLEMENTED)


async def test_cancel_after_begin(target: Target) -> None:
    this = call_id("begin")
    call = target.tests.StreamingInputCall(metadata=(("x-call-id", this),), timeout=20)
    await target.seen(this)
    call.cancel()
    await target.seen(this, within=1, ended=True)
    assert await call.code() is grpc.StatusCode.CANCELLED


async def test_cancel_before_start(target: Target) -> None:
    """A call cancelled before it left is CANCELLED, and the next one works."""
    call = target.tests.StreamingInputCall(timeout=10)
    call.cancel()
    assert await call.code() is grpc.StatusCode.CANCELLED
    await target.tests.EmptyCall(testing_pb2.Empty(), timeout=10)


async def test_cancel_after_first_response(target: Target) -> None:
    this = call_id("first")
    call = target.tests.FullDuplexCall(metadata=(("x-call-id", this),), timeout=20)
    await call.write(asking(31415, request=27182))
    assert len((await call.read()).payload.body) == 31415
    call.cancel()
    record = await target.seen(this, within=1, ended=True)
    assert record.received == 1
    assert await call.code() is grpc.StatusCode.CANCELLED


async def test_cancel_after_sent_first_message(target: Target) -> None:
    this = call_id("sent")
    call = target.tests.StreamingInputCall(metadata=(("x-call-id", this),), timeout=20)
    await call.write(inputs(100)[0])
    await target.seen(this, received=1)
    call.cancel()
    await target.seen(this, within=1, ended=True)
    assert await call.code() is grpc.StatusCode.CANCELLED


async def test_cancel_after_received_headers(target: Target) -> None:
    this = call_id("headers")
    call = target.probe.RunBidi(metadata=script(headers((("x-a", "1"),)), hang(), call=this), timeout=20)
    assert values(await call.initial_metadata(), "x-a") == ["1"]
    call.cancel()
    await target.seen(this, within=1, cancelled=True, ended=True)


async def test_cancel_after_close_send(target: Target) -> None:
    this = call_id("closed")
    call = target.probe.RunBidi(metadata=script(read(), hang(), call=this), timeout=20)
    await call.write(blob())
    await call.done_writing()
    await target.seen(this, half_closed=True)
    call.cancel()
    await target.seen(this, within=1, cancelled=True, ended=True)


@pytest.mark.parametrize("shape", SHAPES)
async def test_cancel_each_shape(target: Target, shape: str) -> None:
    """P66: the server's context ends within a moment, whatever the shape."""
    this = call_id(shape)
    call = start(target.probe, shape, script(hang(), call=this), [blob()])
    await target.seen(this)
    call.cancel()
    await target.seen(this, within=1, cancelled=True, ended=True)


async def test_timeout_on_sleeping_server(target: Target) -> None:
    call = target.tests.FullDuplexCall(timeout=0.001)
    # the time may be over before the first message
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        await call.write(asking(31415, request=27182, interval_us=100_000))
    assert await drain(call) == ([], grpc.StatusCode.DEADLINE_EXCEEDED)


@pytest.mark.parametrize("shape", SHAPES)
async def test_timeouts_each_shape(target: Target, shape: str) -> None:
    """200 ms against a server that waits 1500 ms; it never sees more time than the client had, and is cancelled."""
    this = call_id("slow")
    call = start(target.probe, shape, script(sleep(1.5), call=this), [blob()], timeout=0.2)
    assert await end(call, shape) is grpc.StatusCode.DEADLINE_EXCEEDED
    record = await target.seen(this, within=1, ended=True)
    assert record.cancelled
    assert 0 < record.time_remaining <= 0.21  # grpcio rounds up when it writes


async def test_timeout_but_completed_before_expire(target: Target) -> None:
    for _ in range(50):
        await target.tests.EmptyCall(testing_pb2.Empty(), timeout=5)


async def test_concurrent_large_unary(target: Target) -> None:
    """200 at once on one channel; what is above MAX_CONCURRENT_STREAMS waits."""
    calls = [target.tests.UnaryCall(large_request(), timeout=60) for _ in range(200)]
    sizes = [len(response.payload.body) for response in await asyncio.gather(*calls)]
    assert sizes == [LARGE_RESPONSE] * 200


async def test_rpc_soak(target: Target) -> None:
    for _ in range(100):
        assert len((await target.tests.UnaryCall(large_request(), timeout=10)).payload.body) == LARGE_RESPONSE


async def test_channel_soak(target: Target) -> None:
    for _ in range(10):
        async with connect(target.address, own=True) as channel:
            stub = Stub(channel, TEST_SERVICE)
            assert len((await stub.UnaryCall(large_request(), timeout=10)).payload.body) == LARGE_RESPONSE


async def test_server_responds_before_any_request(target: Target) -> None:
    call = target.probe.RunBidi(metadata=script(send(2, 7), read()), timeout=10)
    assert [len((await call.read()).data) for _ in range(2)] == [7, 7]
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK


async def test_large_amount_of_headers_to_cause_continuations(target: Target) -> None:
    """63 KiB in one header: it passes, or it is RESOURCE_EXHAUSTED and the connection goes on."""
    call = target.probe.Inspect(blob(), metadata=(("x-large", "X" * 63 * 1024),), timeout=10)
    code = await call.code()
    if target.gateway is None or code is grpc.StatusCode.OK:  # the test's own ends are roomy enough
        assert recorded(await call, "x-large") == [b"X" * 63 * 1024]
    else:
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    await target.tests.EmptyCall(testing_pb2.Empty(), timeout=10)


async def test_multiple_thousand_simultaneous_calls(target: Target) -> None:
    """2000 at once, each with its own id: no cross-talk."""
    answers = await asyncio.gather(
        *(target.probe.Inspect(blob(), metadata=(("x-number", str(number)),), timeout=60) for number in range(2000))
    )
    assert [recorded(answer, "x-number") for answer in answers] == [[str(n).encode()] for n in range(2000)]


async def test_simultaneous_calls_on_different_channels(target: Target) -> None:
    async def one(number: int) -> bool:
        async with connect(target.address, own=True) as channel:
            stub = Stub(channel, TEST_SERVICE)
            answer = await stub.UnaryCall(testing_pb2.SimpleRequest(response_size=number), timeout=60)
            return len(answer.payload.body) == number

    assert all(await asyncio.gather(*(one(number) for number in range(50))))


async def test_simultaneous_calls_timing_out(target: Target) -> None:
    calls = [
        failure(target.probe.RunUnary(blob(), metadata=script(hang()), timeout=0.3), within=30) for _ in range(200)
    ]
    codes = {error.code() for error in await asyncio.gather(*calls)}
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}


FOO_BAR_BAZ = tuple(("x-custom-header", value) for value in ("foo", "bar", "baz"))
FOO_BAR_BAZ_BIN = tuple(("x-custom-bin", value) for value in (b"\0foo", b"bar\xff", b"", b"baz,baz"))


@pytest.mark.parametrize("messages", [0, 2])
@pytest.mark.parametrize("code", [grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND])
@pytest.mark.parametrize("shape", SHAPES)
async def test_duplicated_custom_metadata(target: Target, shape: str, code: grpc.StatusCode, messages: int) -> None:
    """P13: every value, in order, in headers and trailers, on success and on error, with and without messages."""
    both = FOO_BAR_BAZ + FOO_BAR_BAZ_BIN
    # a status that comes together with initial metadata makes a stream of grpc.aio lose the latter, so it waits
    steps = [headers(both), wait()]
    if shape in {"RunClientStream", "RunBidi"}:
        steps.append(read())
    if messages and shape in {"RunServerStream", "RunBidi"}:
        steps.append(send(messages))
    steps.append(finish(code))
    this = call_id("duplicate")
    call = start(target.probe, shape, script(*steps, trailing=both, call=this, also=both), [blob()])
    if shape in {"RunServerStream", "RunBidi"}:
        await call.initial_metadata()
    await target.seen(this)
    await target.release(this)
    if shape in {"RunUnary", "RunClientStream"}:
        if code is grpc.StatusCode.OK:
            await call
        else:
            assert (await failure(call)).code() is code
    else:
        received, ended = await drain(call)
        assert (len(received), ended) == (messages, code)
    for metadata in (await call.initial_metadata(), await call.trailing_metadata()):
        assert values(metadata, "x-custom-header") == ["foo", "bar", "baz"]
        assert values(metadata, "x-custom-bin") == [b"\0foo", b"bar\xff", b"", b"baz,baz"]
    record = await target.seen(this)
    assert recorded(record, "x-custom-header") == [b"foo", b"bar", b"baz"]
    assert recorded(record, "x-custom-bin") == [b"\0foo", b"bar\xff", b"", b"baz,baz"]


@pytest.mark.parametrize("responses", [0, 3])
@pytest.mark.parametrize("shape", SHAPES)
async def test_error_with_and_after_responses(target: Target, shape: str, responses: int) -> None:
    """P46, P49: status, message, details and trailers arrive; headers sent before the error stay headers."""
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason="R", domain="upstream.example.com"))
    details = status_pb2.Status(code=9, message="not so", details=[detail]).SerializeToString()
    # the server reads first: a status before the end of the requests makes a stream of grpc.aio end with INTERNAL
    steps = [read()] if shape in {"RunClientStream", "RunBidi"} else []
    if responses:
        steps.append(headers((("x-header", "h"),)))
    if responses and shape in {"RunServerStream", "RunBidi"}:
        steps.append(send(responses))
    steps.append(finish(grpc.StatusCode.FAILED_PRECONDITION, "not so"))
    trailing = (("x-trailer", "t"), ("grpc-status-details-bin", details))
    call = start(target.probe, shape, script(*steps, trailing=trailing), [blob()])
    if shape in {"RunUnary", "RunClientStream"}:
        assert (await failure(call)).code() is grpc.StatusCode.FAILED_PRECONDITION
    else:
        received, code = await drain(call)
        assert (len(received), code) == (responses, grpc.StatusCode.FAILED_PRECONDITION)
    assert await call.details() == "not so"
    assert values(await call.initial_metadata(), "x-header") == (["h"] if responses else [])
    assert not values(await call.initial_metadata(), "x-trailer")
    trailers = await call.trailing_metadata()
    assert values(trailers, "x-trailer") == ["t"]
    assert values(trailers, "grpc-status-details-bin") == [details]


async def test_full_duplex_cancel_after_responses(target: Target) -> None:
    this = call_id("responses")
    call = target.probe.RunBidi(metadata=script(send(3), hang(), call=this), timeout=20)
    for _ in range(3):
        await call.read()
    await target.seen(this, sent=3)
    call.cancel()
    await target.seen(this, within=1, cancelled=True, ended=True)


async def test_server_waits_for_the_client_and_back(target: Target) -> None:
    """A call that is released from outside ends with what it was given."""
    this = call_id("released")
    call = target.probe.RunUnary(blob(7), metadata=script(wait(), call=this), timeout=20)
    await target.seen(this)
    await target.release(this)
    assert (await call).number == 7


async def test_retry_policy_of_the_client_does_not_multiply_calls(target: Target) -> None:
    """A client's own retries are its own: what it sends is what the server gets (P80)."""
    policy = {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.01s",
                    "maxBackoff": "0.01s",
                    "backoffMultiplier": 1,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
    this = call_id("retry")
    options = [*ROOMY, ("grpc.service_config", json.dumps(policy))]
    made: Any = grpc.aio.insecure_channel(target.address, options=options)
    async with made as channel:
        call = channel.unary_unary(
            "/probe.v1.ProbeService/RunUnary", request_serializer=probe_pb2.Blob.SerializeToString
        )
        metadata = script(finish(grpc.StatusCode.UNAVAILABLE, "come again"), call=this)
        error = await failure(call(blob(), metadata=metadata, timeout=10))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == "come again"
    assert (await target.seen(this, ended=True)).attempts == 3


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"method": "DELETE"}, {2, 12, 13}),
        ({"content_type": "application/grpc+foo"}, {0, 2, 12, 13}),
        ({"content_type": "text/plain"}, {2, 12, 13}),
    ],
    ids=["unexpected-verb", "unexpected-codec", "unexpected-content-type"],
)
async def test_unexpected_requests(
    target: Target, change: dict[str, str], allowed: set[int], request: pytest.FixtureRequest
) -> None:
    """P56 and connectrpc's Unexpected Requests: a clear refusal, by status, HTTP status or reset; never silence."""
    if change.get("content_type") == "text/plain" and (AIO or target.gateway is None):
        reason = "grpc.aio: its server takes any content-type as gRPC"
        request.applymarker(pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason))
    async with RawClient(target.address) as client:
        path = f"/{TEST_SERVICE.full_name}/EmptyCall"
        stream = await client.call(path, b"", headers=request_headers(path, **change))
        refused = stream.reset is not None or stream.header(":status") in {"404", "405", "415"}
        assert refused or stream.grpc_status in allowed
        # the connection goes on
        assert (await client.call(path, b"")).grpc_status == 0


async def test_metadata_reaches_the_server_in_order(target: Target) -> None:
    """P31 for metadata: what the caller sent is there with its own order per key."""
    sent = [(f"x-{number % 3}", str(number)) for number in range(9)]
    answer = await target.probe.Inspect(blob(), metadata=sent, timeout=10)
    for key in ("x-0", "x-1", "x-2"):
        assert [value.decode() for value in recorded(answer, key)] == [v for k, v in sent if k == key]
    assert pairs(sent)
