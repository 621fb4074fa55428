"""Statements P45 to P62 and P85 of the gRPC protocol: responses, statuses, trailers."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from tests.integration.conftest import Target
from tests.support.engine import AIO
from tests.support.gateway import Admin, Gateway, backend, raw_backend
from tests.support.processes import free_port
from tests.support.raw_peer import RawClient, RawStream, frame, request_headers
from tests.support.rpc import blob, drain, each, error_info, failure, finish, script, values

EMPTY = "/grpc.testing.TestService/EmptyCall"
CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


async def test_p45_status_is_in_trailers(proxied: Target) -> None:
    async with RawClient(proxied.address) as client:
        stream = await client.call(EMPTY, b"")
    assert stream.header(":status") == "200"
    assert (stream.header("content-type") or "").startswith("application/grpc")
    assert stream.header("grpc-status") is None
    assert stream.grpc_status == 0
    assert stream.data == frame()


async def test_p46_metadata_of_trailers_only_is_trailing(gateway: Gateway, admin: Admin, known: bool) -> None:
    async def trailers_only(stream: RawStream) -> None:
        await stream.finished()
        head = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "9"), ("x-t", "1")]
        await stream.send_headers(head, end=True)

    async with (
        raw_backend(admin, trailers_only, schema=known) as made,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(made.path("Unary"), b"")
    assert stream.grpc_status == 9
    assert stream.trailer("x-t") == "1"
    if stream.trailers is not None:
        assert not stream.values("x-t")


async def test_p85_an_error_without_messages_stays_trailers_only(gateway: Gateway, admin: Admin, known: bool) -> None:
    async def trailers_only(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers(
            [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "14")], end=True
        )

    async with (
        raw_backend(admin, trailers_only, schema=known) as made,
        RawClient(gateway.traffic) as client,
    ):
        for method in ("Unary", "Bidi"):
            stream = await client.call(made.path(method), b"")
            assert stream.grpc_status == 14
            assert stream.trailers is None


@pytest.mark.parametrize("written", ["17", "1024", "x", "-1"])
async def test_p47_numbers_that_nobody_knows_are_not_ok(
    gateway: Gateway, admin: Admin, known: bool, written: str
) -> None:
    async def strange(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b""], status=written)

    async with (
        raw_backend(admin, strange, schema=known) as made,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(made.path("Unary"), b"")
    # grpc.aio: what is no number is INTERNAL
    broken = {"13"} if AIO and written in {"x", "-1"} else set()
    assert stream.trailer("grpc-status") in {"2", written} | broken


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("plain", "plain"),
        ("100%25", "100%"),
        ("%C3%A9", "é"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("a%2", "a%2"),
        ("%250A", "%0A"),
        ("two  spaces", "two  spaces"),
    ],
)
async def test_p48_messages_are_decoded_once_and_encoded_once(
    gateway: Gateway, admin: Admin, caller: Any, known: bool, written: str, expected: str
) -> None:
    async def failing(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([], status=9, trailers=[("grpc-message", written)])

    async with raw_backend(admin, failing, schema=known) as made:
        error = await failure(caller.unary_unary(made.path("Unary"))(b"", timeout=10))
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, expected)


@pytest.mark.parametrize("written", ["broken %FF%FE utf-8", "caf\xe9"])
async def test_p48_broken_messages_do_not_fail_the_call(
    gateway: Gateway, admin: Admin, known: bool, written: str
) -> None:
    async def failing(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([], status=9, trailers=[("grpc-message", written)])

    async with (
        raw_backend(admin, failing, schema=known) as made,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(made.path("Unary"), b"")
    assert stream.grpc_status == 9
    assert (stream.trailer("grpc-message") or "").startswith(written[:3])


@pytest.mark.parametrize(
    "details",
    [
        status_pb2.Status(
            code=5, message="m", details=[any_pb2.Any(type_url="type.example.com/not.Known", value=b"\0\xff")]
        ).SerializeToString(),
        b"not a status \0\xff",
        bytes(2048),
    ],
    ids=["unknown-type", "no-status", "zeros"],
)
async def test_p49_details_pass_byte_for_byte(proxied: Target, details: bytes) -> None:
    trailing = (("grpc-status-details-bin", details),)
    metadata = script(finish(grpc.StatusCode.NOT_FOUND, "m"), trailing=trailing)
    for start in (proxied.probe.RunUnary, proxied.probe.RunServerStream):
        call = start(blob(), metadata=metadata, timeout=10)
        assert await call.code() is grpc.StatusCode.NOT_FOUND
        assert values(await call.trailing_metadata(), "grpc-status-details-bin") == [details]


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
async def test_p50_every_code_is_passed_on(proxied: Target, code: grpc.StatusCode) -> None:
    message = f"the words of {code.name} ☺"
    metadata = script(finish(code, message))
    for start in (proxied.probe.RunUnary, proxied.probe.RunServerStream):
        call = start(blob(), metadata=metadata, timeout=10)
        assert await call.code() is code
        assert await call.details() == message
        # it is the upstream's: the gateway adds nothing
        assert not values(await call.trailing_metadata(), "grpc-status-details-bin")


async def test_p50_ok_is_ok(proxied: Target) -> None:
    call = proxied.probe.RunUnary(blob(), timeout=10)
    await call
    assert await call.code() is grpc.StatusCode.OK


async def test_p51_p53_no_route(caller: Any) -> None:
    error = await failure(caller.unary_unary("/nobody.v1.NobodyService/Nothing")(b"", timeout=10))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    info = error_info(error)
    assert info.reason == "NO_ROUTE"
    assert info.metadata["method"] == "/nobody.v1.NobodyService/Nothing"
    assert "/nobody.v1.NobodyService/Nothing" in (error.details() or "")


@pytest.mark.parametrize("path", ["/", "//", "/x", "/a/b/c", "/a.B/"])
async def test_p53_paths_that_are_no_method(gateway: Gateway, path: str) -> None:
    async with RawClient(gateway.traffic) as client:
        stream = await client.call(path, b"")
        assert stream.header(":status") == "200"
        assert stream.grpc_status == 12
        assert (await client.call(EMPTY, b"")).grpc_status == 0


async def test_p53_of_a_stream(caller: Any) -> None:
    call = caller.stream_stream("/nobody.v1.NobodyService/Nothing")(timeout=10)
    assert await drain(call) == ([], grpc.StatusCode.UNIMPLEMENTED)


async def test_p54_unreachable(admin: Admin, caller: Any, known: bool) -> None:
    async with backend(admin, [f"127.0.0.1:{free_port()}"], schema=known) as made:
        for method in ("Unary", "Bidi"):
            call = caller.stream_unary(made.path(method))
            error = await failure(call(each([b""]), timeout=15))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            info = error_info(error)
            assert info.reason in {"UPSTREAM_UNREACHABLE", "NO_HEALTHY_ENDPOINT"}
            assert info.metadata["upstream"] == made.upstream


async def test_p55_messages_before_the_break_are_delivered(admin: Admin, caller: Any, known: bool) -> None:
    async def breaking(stream: RawStream) -> None:
        await stream.send_headers([(":status", "200"), ("content-type", "application/grpc")])
        await stream.send(frame(b"one") + frame(b"two") + frame(b"three"))
        await stream.finished()
        stream.connection.writer.write_eof()

    async with raw_backend(admin, breaking, schema=known) as made:
        call = caller.stream_stream(made.path("Bidi"))(timeout=10)
        assert [await call.read() for _ in range(3)] == [b"one", b"two", b"three"]
        await call.done_writing()
        messages, code = await drain(call)
    assert (messages, code) == ([], grpc.StatusCode.UNAVAILABLE)


@pytest.mark.xfail(
    AIO, strict=True, raises=AssertionError, reason="grpc.aio: writes application/grpc and hides what the caller wrote"
)
@pytest.mark.parametrize("suffix", ["+proto", "+json", "+custom"])
async def test_p57_the_suffix_of_the_content_type_stays(
    gateway: Gateway, admin: Admin, known: bool, suffix: str
) -> None:
    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b""])

    async with (
        raw_backend(admin, answer, schema=known) as made,
        RawClient(gateway.traffic) as client,
    ):
        path = made.path("Unary")
        await client.call(path, b"", headers=request_headers(path, content_type=f"application/grpc{suffix}"))
        assert made.server.streams[0].header("content-type") == f"application/grpc{suffix}"


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        (400, {13}),
        (401, {16}),
        (403, {7}),
        (404, {12}),
        (429, {14}),
        (431, {13, 2}),
        (502, {14}),
        (503, {14}),
        (504, {14}),
        (500, {2}),
        (418, {2}),
        (302, {2}),
        (200, {2}),
    ],
)
async def test_p58_p61_answers_without_grpc_status(
    gateway: Gateway, admin: Admin, known: bool, http: int, expected: set[int]
) -> None:
    """The HTTP status decides, and the HTML page does not reach the caller."""

    async def html(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers([(":status", str(http)), ("content-type", "text/html")])
        await stream.send(b"<html>nothing here</html>", end=True)

    async with (
        raw_backend(admin, html, schema=known) as made,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(made.path("Unary"), b"")
    assert stream.header(":status") == "200"
    assert stream.grpc_status in expected
    assert not stream.data


@pytest.mark.xfail(AIO, strict=True, raises=AssertionError, reason="grpc.aio: its client takes 103 as the answer")
async def test_p58_informational_answers_are_skipped(gateway: Gateway, admin: Admin, known: bool) -> None:
    async def early(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers([(":status", "103"), ("link", "</a>")])
        await stream.respond([b"x"])

    async with (
        raw_backend(admin, early, schema=known) as made,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(made.path("Unary"), b"")
    assert stream.grpc_status == 0
    assert stream.data == frame(b"x")


@pytest.mark.parametrize("http", [503, 404, 500])
async def test_p59_grpc_status_wins(gateway: Gateway, admin: Admin, known: bool, http: int) -> None:
    async def both(stream: RawStream) -> None:
        await stream.finished()
        head = [(":status", str(http)), ("content-type", "application/grpc"), ("grpc-status", "5")]
        await stream.send_headers(head, end=True)

    async with (
        raw_backend(admin, both, schema=known) as made,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(made.path("Unary"), b"")
    assert stream.grpc_status == 5


async def test_p62_no_trailers(gateway: Gateway, admin: Admin, known: bool) -> None:
    async def bare(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers([(":status", "200"), ("content-type", "application/grpc")])
        await stream.send(frame(b"x"), end=True)

    async with (
        raw_backend(admin, bare, schema=known) as made,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(made.path("Unary"), b"")
    assert stream.grpc_status in {2, 13}


async def test_details_of_the_gateway_are_a_status_that_agrees(caller: Any) -> None:
    """`grpc-status-details-bin` holds the same code and message as the trailers."""
    error = await failure(caller.unary_unary("/nobody.v1.NobodyService/Nothing")(b"", timeout=10))
    (details,) = values(error.trailing_metadata(), "grpc-status-details-bin")
    assert isinstance(details, bytes)
    status = status_pb2.Status.FromString(details)
    assert (status.code, status.message) == (12, error.details())
    assert status.details[0].Is(error_details_pb2.ErrorInfo.DESCRIPTOR)
