"""Statements P11 to P28, P83 and P84 of the gRPC protocol: metadata and reserved headers."""

from __future__ import annotations

import base64
import re
from typing import Any

import grpc
import grpc.aio
import pytest
from probe import probe_pb2

from tests.integration.conftest import Target
from tests.support.engine import AIO
from tests.support.gateway import Admin, Gateway, raw_backend
from tests.support.raw_peer import RawClient, RawStream, unframe
from tests.support.rpc import blob, call_id, failure, finish, headers, recorded, script, values, wait

INSPECT = "/probe.v1.ProbeService/Inspect"


async def answer(stream: RawStream) -> None:
    """Answer with nothing, as a server does that reads its request."""
    await stream.finished()
    await stream.respond([b""])


async def inspected(address: str, *metadata: tuple[str, str]) -> probe_pb2.CallRecord:
    """Return what the server saw of a raw call."""
    async with RawClient(address) as client:
        stream = await client.call(INSPECT, b"", metadata=metadata, within=5)
    assert stream.grpc_status == 0, stream.last
    return probe_pb2.CallRecord.FromString(unframe(bytes(stream.data))[0][1])


async def test_p11_every_letter_a_key_may_have(proxied: Target) -> None:
    key = "abcdefghijklmnopqrstuvwxyz_0123456789.-"
    record = await proxied.probe.Inspect(blob(), metadata=((key, "v"),))
    assert recorded(record, key) == [b"v"]


@pytest.mark.parametrize("value", [b"", b"\0", b"\0\xff", b"\0\xff\x7f", bytes(range(256))], ids=len)
async def test_p12_binary_values_pass_both_ways(proxied: Target, value: bytes) -> None:
    this = call_id("binary")
    entries = (("x-data-bin", value),)
    call = proxied.probe.RunUnary(
        blob(), metadata=script(headers(entries), trailing=entries, call=this, also=entries), timeout=10
    )
    await call
    assert values(await call.initial_metadata(), "x-data-bin") == [value]
    assert values(await call.trailing_metadata(), "x-data-bin") == [value]
    assert recorded(await proxied.seen(this), "x-data-bin") == [value]


@pytest.mark.parametrize("value", [b"1", b"12", b"123", b"1234"], ids=len)
async def test_p12_padding_is_accepted(proxied: Target, value: bytes) -> None:
    padded = base64.b64encode(value).decode()
    for written in (padded, padded.rstrip("=")):
        assert recorded(await inspected(proxied.address, ("x-data-bin", written)), "x-data-bin") == [value]


async def test_p12_padding_is_not_written(gateway: Gateway, admin: Admin, known: bool) -> None:
    async with (
        raw_backend(admin, answer, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        await client.call(backend.path("Unary"), b"", metadata=[("x-data-bin", "MQ==")])
        assert backend.server.streams[0].values("x-data-bin") == ["MQ"]


async def test_p13_p26_order_and_place(proxied: Target) -> None:
    """More in test_interop: test_duplicated_custom_metadata."""
    initial = [("x-both", "i1"), ("x-both", "i2")]
    trailing = [("x-both", "t1"), ("x-both", "t2"), ("x-both", "t1")]
    call = proxied.probe.RunUnary(blob(), metadata=script(headers(initial), trailing=trailing), timeout=10)
    await call
    assert values(await call.initial_metadata(), "x-both") == ["i1", "i2"]
    assert values(await call.trailing_metadata(), "x-both") == ["t1", "t2", "t1"]


@pytest.mark.xfail(
    AIO, strict=True, raises=AssertionError, reason="grpc.aio: a joined -bin header is decoded as one value and refused"
)
async def test_p14_a_joined_binary_header_is_two_values(proxied: Target) -> None:
    record = await inspected(proxied.address, ("x-data-bin", "AQID,BAUG"))
    assert recorded(record, "x-data-bin") == [b"\1\2\3", b"\4\5\6"]


@pytest.mark.parametrize("value", ["caf\xe9", "a\tb", "\x80\xff"])
async def test_p15_text_outside_ascii_does_not_fail_the_call(proxied: Target, value: str) -> None:
    record = await inspected(proxied.address, ("x-text", value), ("x-after", "1"))
    assert recorded(record, "x-after") == [b"1"]


async def test_p16_only_white_space_at_the_ends_may_go(proxied: Target) -> None:
    record = await proxied.probe.Inspect(blob(), metadata=(("x-text", "  a  b, c  "),))
    assert [value.strip() for value in recorded(record, "x-text")] == [b"a  b, c"]


async def test_p17_what_belongs_to_the_protocol_is_not_metadata(proxied: Target) -> None:
    record = await inspected(
        proxied.address, ("grpc-timeout", "10S"), ("grpc-encoding", "identity"), ("grpc-accept-encoding", "gzip")
    )
    keys = {entry.key for entry in record.metadata}
    assert not keys & {"grpc-timeout", "grpc-encoding", "grpc-message-type", "grpc-status", "grpc-message", "te"}
    assert not {key for key in keys if key.startswith(":")}


@pytest.mark.parametrize("key", ["grpc-trace-bin", "grpc-tags-bin"])
@pytest.mark.xfail(
    AIO,
    strict=True,
    raises=AssertionError,
    reason="grpc.aio: its server hides grpc-trace-bin and grpc-tags-bin",
)
async def test_p18_unknown_reserved_headers_pass(gateway: Gateway, admin: Admin, known: bool, key: str) -> None:
    async with (
        raw_backend(admin, answer, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        await client.call(backend.path("Unary"), b"", metadata=[(key, "AQID")])
        assert backend.server.streams[0].values(key) == ["AQID"]


async def test_p19_to_p24_what_goes_upstream(gateway: Gateway, admin: Admin, known: bool) -> None:
    async with (
        raw_backend(admin, answer, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        metadata = [("user-agent", "me/1"), ("grpc-timeout", "10S"), ("x-custom", "1"), ("authorization", "Bearer t")]
        stream = await client.call(backend.path("Unary"), b"", metadata=metadata)
        assert stream.grpc_status == 0
        sent = backend.server.streams[0]
        assert sent.headers
        names = [key for key, _ in sent.headers]
        # P19, P20
        assert not set(names) & {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}
        assert sent.values("te") == ["trailers"]
        # P21
        pseudo = [name.startswith(":") for name in names]
        assert pseudo == sorted(pseudo, reverse=True)
        assert names.index("content-type") < names.index("x-custom")
        # P22
        assert (sent.header(":method"), sent.header(":path")) == ("POST", backend.path("Unary"))
        assert sent.header(":scheme") == "http"
        # P23: rewritten to the address of the endpoint
        assert sent.values(":authority") == [backend.server.address]
        # P24
        assert len(sent.values("user-agent")) == 1
        agent = sent.header("user-agent") or ""
        assert "me/1" in agent or re.search(r"grpc-[a-z-]+/[0-9.]+", agent)
        # P27
        assert sent.values("authorization") == ["Bearer t"]


async def test_p23_the_authority_of_the_upstream_is_sent(gateway: Gateway, admin: Admin, known: bool) -> None:
    fields = {"authority": "books.example.com"}
    async with (
        raw_backend(admin, answer, schema=known, upstream_fields=fields) as backend,
        RawClient(gateway.traffic) as client,
    ):
        await client.call(backend.path("Unary"), b"")
        assert backend.server.streams[0].values(":authority") == ["books.example.com"]


@pytest.mark.xfail(
    AIO,
    strict=True,
    raises=AssertionError,
    reason="grpc.aio: writes its own user-agent; one in the metadata is dropped",
)
async def test_p24_the_user_agent_of_the_client_is_seen_by_the_server(proxied: Target) -> None:
    record = await inspected(proxied.address, ("user-agent", "special-client/7"))
    agents = recorded(record, "user-agent")
    assert len(agents) == 1
    assert b"special-client/7" in agents[0]


@pytest.mark.parametrize("size", [1024, 7 * 1024])
async def test_p25_ordinary_metadata_passes_both_ways(proxied: Target, size: int) -> None:
    text = "x" * size
    record = await proxied.probe.Inspect(blob(), metadata=(("x-large", text),), timeout=10)
    assert recorded(record, "x-large") == [text.encode()]
    entries = (("x-a", text[: size // 2]),)
    call = proxied.probe.RunUnary(blob(), metadata=script(headers(entries)), timeout=10)
    await call
    assert values(await call.initial_metadata(), "x-a") == [text[: size // 2]]


async def test_p25_too_much_request_metadata(proxied: Target) -> None:
    """RESOURCE_EXHAUSTED, and the connection goes on, also with a call under way."""
    this = call_id("beside")
    beside = proxied.probe.RunBidi(metadata=script(wait(), call=this), timeout=20)
    await proxied.seen(this)
    error = await failure(proxied.probe.Inspect(blob(), metadata=(("x-large", "x" * 65536),), timeout=10))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await proxied.release(this)
    assert await beside.code() is grpc.StatusCode.OK
    await proxied.probe.Inspect(blob(), timeout=10)


async def test_p25_too_much_request_metadata_on_the_wire(gateway: Gateway) -> None:
    """A client that does not heed SETTINGS_MAX_HEADER_LIST_SIZE gets a status too, and its connection goes on."""
    async with RawClient(gateway.traffic) as client:
        metadata = [(f"x-large-{number}", "x" * 8192) for number in range(8)]
        stream = await client.call(INSPECT, b"", metadata=metadata)
        assert stream.grpc_status == 8 or stream.header(":status") == "431"
        assert (await client.call(INSPECT, b"")).grpc_status == 0


@pytest.mark.parametrize("place", ["initial", "trailing"])
async def test_p25_too_much_response_metadata(proxied: Target, admin: Admin, place: str, gateway: Gateway) -> None:
    large = [("x-large", "x" * 65536)]

    async def much(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond(
            [b""], headers=large if place == "initial" else (), trailers=large if place == "trailing" else ()
        )

    async with (
        raw_backend(admin, much, schema=proxied.name == "schema") as backend,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(backend.path("Unary"), b"")
        assert stream.grpc_status == 8
        assert (await client.call(INSPECT, b"")).grpc_status == 0


async def test_p28_true_binary_is_only_sent_where_it_is_agreed(gateway: Gateway, admin: Admin, known: bool) -> None:
    """Neither raw peer has offered it, so both get base64."""

    async def binary(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b""], headers=[("x-initial-bin", "AP8")], trailers=[("x-trailing-bin", "AP8")])

    async with (
        raw_backend(admin, binary, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(backend.path("Unary"), b"", metadata=[("x-data-bin", "AP8")])
        assert backend.server.streams[0].values("x-data-bin") == ["AP8"]
        assert stream.values("x-initial-bin") == ["AP8"]
        assert stream.trailer("x-trailing-bin") == "AP8"


async def test_p46_initial_metadata_that_comes_with_the_status_is_kept(
    gateway: Gateway, admin: Admin, known: bool
) -> None:
    """Headers and trailers in one write; what was in the headers stays there."""

    async def at_once(stream: RawStream) -> None:
        await stream.finished()
        machine = stream.connection.h2
        head = [(":status", "200"), ("content-type", "application/grpc"), ("x-initial", "i")]
        machine.send_headers(stream.number, head)
        machine.send_headers(stream.number, [("grpc-status", "5"), ("x-trailing", "t")], end_stream=True)
        await stream.connection.flush()

    async with (
        raw_backend(admin, at_once, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        for _ in range(20):
            stream = await client.call(backend.path("Unary"), b"")
            assert stream.grpc_status == 5
            assert stream.values("x-initial") == ["i"]
            assert stream.trailer("x-trailing") == "t"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("grpc-retry-pushback-ms", "1000", id="p83-pushback"),
        pytest.param(
            "endpoint-load-metrics-bin",
            "AQID",
            id="orca_per_rpc",
            marks=pytest.mark.xfail(
                AIO, strict=True, raises=AssertionError, reason="grpc.aio: its client hides endpoint-load-metrics-bin"
            ),
        ),
    ],
)
async def test_trailers_of_the_protocol_reach_the_client(
    gateway: Gateway, admin: Admin, known: bool, key: str, value: str
) -> None:
    async def pushing(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([], status=14, trailers=[(key, value)])

    async with (
        raw_backend(admin, pushing, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(backend.path("Unary"), b"")
        assert stream.grpc_status == 14
        assert stream.trailer(key) == value


@pytest.mark.xfail(
    AIO,
    strict=True,
    raises=AssertionError,
    reason="grpc.aio: its client drops grpc-previous-rpc-attempts of the metadata",
)
async def test_p84_previous_attempts_are_passed_on(gateway: Gateway, admin: Admin, known: bool) -> None:
    async with (
        raw_backend(admin, answer, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        await client.call(backend.path("Unary"), b"", metadata=[("grpc-previous-rpc-attempts", "2")])
        await client.call(backend.path("Unary"), b"")
        found = [stream.values("grpc-previous-rpc-attempts") for stream in backend.server.streams]
    assert found == [["2"], []]


async def test_tracing_headers_and_request_id(proxied: Target) -> None:
    """DESIGN §7: `traceparent` continues; `x-request-id` is kept or made."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    record = await proxied.probe.Inspect(blob(), metadata=(("traceparent", trace), ("x-request-id", "mine")))
    assert recorded(record, "traceparent")[0].split(b"-")[1] == b"0af7651916cd43dd8448eb211c80319c"
    assert recorded(record, "x-request-id") == [b"mine"]
    found = [recorded(await proxied.probe.Inspect(blob()), "x-request-id") for _ in range(2)]
    assert all(len(one) == 1 and one[0] for one in found)
    assert found[0] != found[1]


async def test_forwarded_headers_of_strangers_are_not_believed(proxied: Target) -> None:
    """DESIGN §7: `x-forwarded-*` are appended only from trusted peers; nobody is trusted here."""
    record = await proxied.probe.Inspect(blob(), metadata=(("x-forwarded-for", "10.0.0.1"),))
    assert recorded(record, "x-forwarded-for") != [b"10.0.0.1"]


async def test_p27_credentials_do_not_stick(proxied: Target) -> None:
    """More in test_interop: test_per_rpc_creds."""
    await proxied.probe.Inspect(blob(), metadata=(("authorization", "Bearer a"),))
    record = await proxied.probe.Inspect(blob())
    assert recorded(record, "authorization") == []


async def test_error_metadata_has_its_place(proxied: Target) -> None:
    call: Any = proxied.probe.RunUnary(
        blob(), metadata=script(finish(grpc.StatusCode.ABORTED, "x"), trailing=(("x-t", "1"),)), timeout=10
    )
    error = await failure(call)
    assert values(error.trailing_metadata(), "x-t") == ["1"]
    assert not values(error.initial_metadata(), "x-t")
