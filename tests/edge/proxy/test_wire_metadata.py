"""Header blocks of calls on the wire engine, and what is remembered of them."""

from __future__ import annotations

from collections.abc import Awaitable

from edge.model.settings import Limits
from edge.model.status import Code
from edge.proxy.wire_metadata import MAX_CALLERS
from tests.edge.proxy.invoke_backend import Backend
from tests.edge.proxy.invoke_place import ENGINES, Outcome, Place, Wishes, both, place
from tests.support.raw_peer import RawServer, RawStream


async def test_the_endpoint_sees_the_same_metadata(backend: Backend) -> None:
    metadata: list[tuple[str, str | bytes]]
    metadata = [("x-b-bin", b"\xfe\0"), ("accept", "*/*"), ("x-a", "1"), ("te", "x"), ("x-b-bin", b""), ("x-a", "2")]
    metadata += [("user-agent", "curl"), ("x-forwarded-for", "10.0.0.1"), ("x-tab", "a\tb"), ("authorization", "B x")]
    seen = []
    for name in ENGINES:
        async with place(name, backend.address) as made:
            assert (await made.unary("Echo", b"", metadata)).code is Code.OK
            seen.append([pair for pair in backend.seen if pair[0] != "user-agent"])
            agents = [str(value) for key, value in backend.seen if key == "user-agent"]
            assert len(agents) == 1
            assert agents[0].startswith("edge/")
    assert seen[0] == seen[1]
    assert ("x-forwarded-for", "198.51.100.7") in seen[0]


async def test_a_request_id_is_kept_or_made(backend: Backend, engine: str) -> None:
    async with place(engine, backend.address) as made:
        # the same metadata again and again is remembered; the id is not
        own = {(await made.unary("Echo", b"", [("x-request-id", "mine")])).call.request_id for _ in range(3)}
        assert own == {"mine"}
        ids = {(await made.unary("Echo", b"", [("x-c", "1")])).call.request_id for _ in range(3)}
        assert len(ids) == 3
        assert all(len(text) == 32 for text in ids)


async def test_metadata_over_the_limit_is_refused_alike(backend: Backend) -> None:
    def make(made: Place) -> Awaitable[Outcome]:
        return made.unary("Echo", b"", [("x-a", "1" * 2000)])

    wire, aio = await both(backend.address, make, Wishes(limits=Limits(max_metadata_bytes=1000)))
    assert wire.same() == aio.same()
    assert wire.kind == "MetadataTooLarge"


async def test_the_header_block_is_in_the_order_of_grpc() -> None:
    async def answer(stream: RawStream) -> None:
        await stream.respond([b""])

    async with RawServer(answer) as server, place("wire", server.address) as made:
        for seconds in (None, 5.0, None, 5.0):  # what repeats is encoded by index
            assert (await made.unary("M", b"", [("x-a", "1"), ("x-b-bin", b"\xff")], seconds=seconds)).code is Code.OK
        for number, stream in enumerate(server.streams):
            assert stream.headers is not None
            names = [name for name, _ in stream.headers]
            timeout = ["grpc-timeout"] if number % 2 else []
            assert names == [
                *(":method", ":scheme", ":authority", ":path", *timeout, "te", "content-type"),
                *("grpc-accept-encoding", "user-agent", "x-a", "x-b-bin", "x-forwarded-for", "x-request-id"),
            ]
            assert stream.header("x-b-bin") == "/w"
            assert stream.header(":path") == "/a.B/M"
            if number % 2:
                value = stream.header("grpc-timeout") or ""
                assert value.endswith("m")
                assert 4000 < int(value[:-1]) <= 5000


async def test_many_callers_and_methods_are_not_kept_for_ever() -> None:
    async def answer(stream: RawStream) -> None:
        await stream.respond([b""])

    async with RawServer(answer) as server, place("wire", server.address) as made:
        for number in range(MAX_CALLERS + 20):
            assert (await made.unary(f"M{number}", b"", [("x-a", str(number))])).code is Code.OK
            last = server.streams[-1]
            assert (last.header("x-a"), last.header(":path")) == (str(number), f"/a.B/M{number}")
        translator = made.invoker._translator  # type: ignore[attr-defined]
        assert len(translator._sent) <= MAX_CALLERS
