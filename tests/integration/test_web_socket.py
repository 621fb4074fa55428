"""WebSocket through a running gateway, by aiohttp's client: docs/websocket.md, statement by statement."""

from __future__ import annotations

import asyncio
import json
import re
import struct
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from probe import probe_pb2

from bookstore.v1 import bookstore_pb2
from tests.integration.conftest import learn
from tests.support.gateway import Gateway, route, upstream
from tests.support.probe_server import Probe
from tests.support.rpc import PROBE_SERVICE, Stub, call_id, connect, echo, eventually, finish, hang, raw_script, read
from tests.support.rpc import headers as initial
from tests.support.rpc import send as answers

BOOKS = "bookstore.v1.BookstoreService"
PROBE = PROBE_SERVICE.full_name
SERVER = Path(__file__).resolve().parents[2] / "examples" / "bookstore" / "server.py"
JSON, PROTO = "edge.json.v1", "edge.proto.v1"
SHOP = "https://shop.example.com"

Headers = list[tuple[str, str]]


def base64url(value: str | bytes) -> str:
    raw = value.encode() if isinstance(value, str) else value
    return urlsafe_b64encode(raw).decode().rstrip("=")


def start_bookstore() -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, str(SERVER), "--port", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.fullmatch(r"bookstore \S+ listens on (127\.0\.0\.1:\d+)\n", line)
    assert match, line
    return process, match[1]


def end(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


def by_header(name: str, **more: Any) -> dict[str, Any]:
    """Return a route for probe calls with `x-route: NAME`."""
    made = route(name, PROBE, "probe", **more)
    made["matches"][0]["headers"] = [{"name": "x-route", "exact": name}]
    return made


@pytest.fixture(scope="module")
def gateway(folder: Path, probes: tuple[Probe, Probe]) -> Iterator[Gateway]:
    """A gateway in front of a bookstore and a probe server."""
    process, address = start_bookstore()
    small = {"web_socket": {"max_message_bytes": 2048, "idle_timeout": "0.4s"}}
    configuration = {
        "upstreams": [upstream("books", address), upstream("probe", probes[0].address)],
        "policies": [{"name": "policies/shop", "cors": {"allow_origins": [SHOP]}}],
        "routes": [
            route("books", BOOKS, "books", transcoding={}, policies=["policies/shop"]),
            route("probe", PROBE, "probe", transcoding={}),
            by_header("small", transcoding=small),
            by_header("slow", transcoding={}, timeout="0.3s", stream_timeout="0.4s"),
            by_header("off", transcoding={"disabled_protocols": ["PROTOCOL_WEB_SOCKET"]}),
        ],
    }
    try:
        with Gateway("web-socket-gateway", folder, configuration) as found:
            learn(found.admin, BOOKS, PROBE)
            yield found
    finally:
        end(process)


class Client:
    """Opens WebSockets to a gateway."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self.address = address

    def open(self, path: str, *subprotocols: str, headers: Headers = ()) -> Any:  # type: ignore[assignment] # none
        return self._session.ws_connect(
            f"ws://{self.address}{path}", protocols=subprotocols, headers=headers, autoping=True, max_msg_size=0
        )

    async def refused(self, path: str, *subprotocols: str, headers: Headers = ()) -> tuple[int, dict[str, Any]]:  # type: ignore[assignment] # none
        """Return status and JSON of a handshake that is refused."""
        sent = [
            *(("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            *headers,
        ]
        if subprotocols:
            sent.append(("sec-websocket-protocol", ", ".join(subprotocols)))
        async with self._session.get(f"http://{self.address}{path}", headers=sent) as answer:
            return answer.status, await answer.json()


@pytest_asyncio.fixture(loop_scope="session")
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield Client(session, gateway.http)


@pytest_asyncio.fixture(loop_scope="session")
async def control(probes: tuple[Probe, Probe]) -> AsyncIterator[Stub]:
    """The probe service of the server itself."""
    async with connect(probes[0].address) as channel:
        yield Stub(channel, PROBE_SERVICE)


async def seen(control: Stub, call: str, **conditions: object) -> probe_pb2.CallRecord:
    request = probe_pb2.AwaitRequest(call_id=call, **conditions)  # type: ignore[arg-type] # as the message has them
    found = await control.Await(request, timeout=10)
    assert isinstance(found, probe_pb2.CallRecord)
    return found


async def rest(socket: aiohttp.ClientWebSocketResponse) -> tuple[list[Any], int | None, str]:
    """Return the frames until the close, the code and the reason. Text frames are parsed."""
    frames: list[Any] = []
    while True:
        message = await socket.receive(timeout=10)
        if message.type is aiohttp.WSMsgType.TEXT:
            frames.append(json.loads(message.data))
        elif message.type is aiohttp.WSMsgType.BINARY:
            frames.append(message.data)
        else:
            return frames, socket.close_code, message.extra or ""


def reset(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Break the connection with RST: a FIN would wait behind what the other side does not read."""
    transport = socket._response.connection.transport  # type: ignore[union-attr] # it is open
    assert transport is not None
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, linger)
    transport.abort()


# === the four kinds ===


@pytest.mark.parametrize("path", ["/v1/shelves/fiction", f"/{BOOKS}/GetShelf"])
async def test_unary(client: Client, path: str) -> None:
    async with client.open(path) as socket:
        assert socket.protocol is None
        if path.startswith(f"/{BOOKS}"):
            await socket.send_str('{"name": "shelves/fiction"}')
        frames, code, _ = await rest(socket)
    assert [frame["name"] for frame in frames] == ["shelves/fiction"]
    assert code == 1000


async def test_a_body_by_url(client: Client) -> None:
    call = call_id()
    async with client.open("/v1/probe:inspect", JSON, headers=[("x-call-id", call)]) as socket:
        await socket.send_str('{"message": {"number": 1}}')
        headers, message, end = (await rest(socket))[0]
    assert list(headers) == ["headers"]
    assert message["message"]["callId"] == call
    assert end == {"end": {"status": {"code": 0, "message": "", "details": []}, "trailers": {}}}


async def test_a_server_stream(client: Client) -> None:
    async with client.open("/v1/shelves/fiction/books:stream") as socket:
        frames, code, _ = await rest(socket)
    assert len(frames) >= 4
    assert all(frame["name"].startswith("shelves/fiction/books/") for frame in frames)
    assert code == 1000


async def test_a_server_stream_with_a_query(client: Client) -> None:
    async with client.open("/v1/shelves/fiction:watch?max_events=2") as socket:
        frames, code, _ = await rest(socket)
    assert [frame["kind"] for frame in frames] == ["KIND_PRESENT", "KIND_PRESENT"]
    assert code == 1000


async def test_a_client_stream(client: Client) -> None:
    async with client.open("/v1/books:import") as socket:
        for title in ("One Ship", "Two Ships", "One Ship"):
            book = {"title": title, "author": "A. Sailor"}
            await socket.send_str(json.dumps({"parent": "shelves/travel", "book": book}))
        await socket.send_str("")
        frames, code, _ = await rest(socket)
    assert code == 1000
    assert (frames[0]["importedCount"], frames[0]["skippedCount"]) == (2, 1)


async def test_both_ways_at_once(client: Client) -> None:
    async with client.open("/v1/books:recommend", JSON) as socket:
        for subject in ("sea", "nature"):
            await socket.send_json({"message": {"subject": subject}})
            answer = await socket.receive_json(timeout=10)
            if "headers" in answer:
                answer = await socket.receive_json(timeout=10)
            assert answer["message"]["subject"] == subject
        await socket.send_json({"end": True})
        frames, code, _ = await rest(socket)
    assert [list(frame) for frame in frames] == [["end"]]
    assert code == 1000


async def test_protobuf(client: Client) -> None:
    async with client.open(f"/{BOOKS}/StreamBooks", PROTO) as socket:
        assert socket.protocol == PROTO
        request = bookstore_pb2.StreamBooksRequest(parent="shelves/fiction")
        await socket.send_bytes(b"\0" + request.SerializeToString())
        frames, code, _ = await rest(socket)
    assert code == 1000
    assert [frame[0] for frame in frames] == [1, *[0] * (len(frames) - 2), 2]
    assert bookstore_pb2.Book.FromString(frames[1][1:]).name.startswith("shelves/fiction/books/")


# === metadata ===


async def test_a_browser_hands_over_token_header_and_deadline(client: Client, control: Stub) -> None:
    call = call_id()
    entries = (
        f"edge.bearer.{base64url('s3cr3t?')}",
        f"edge.header.x-call-id.{base64url(call)}",
        f"edge.header.x-raw-bin.{base64url(bytes([0, 255]))}",
        "edge.timeout.20S",
    )
    async with client.open(f"/{PROBE}/Inspect", *entries, JSON) as socket:
        assert socket.protocol == JSON
        await socket.send_str('{"message": {}}')
        _, code, _ = await rest(socket)
    assert code == 1000
    record = await seen(control, call, ended=True)
    metadata = {entry.key: entry.value for entry in record.metadata}
    assert metadata["authorization"] == b"Bearer s3cr3t?"
    assert metadata["x-raw-bin"] == b"\x00\xff"
    assert not [key for key in metadata if key.startswith("sec-")]
    assert 10 < record.time_remaining < 20.2, "grpc rounds it up to three digits"


async def test_metadata_and_details_come_back(client: Client) -> None:
    sent = raw_script(initial((("x-first", "1"),)), answers(1), finish(9, "not now"))
    async with client.open(f"/{PROBE}/RunServerStream", JSON, headers=sent) as socket:
        await socket.send_str('{"message": {}}')
        frames, code, reason = await rest(socket)
    assert frames[0]["headers"]["x-first"] == ["1"]
    assert frames[1] == {"message": {}}
    assert frames[2]["end"]["status"]["code"] == 9
    assert (code, reason) == (4009, "not now")


# === before the upgrade ===


@pytest.mark.parametrize(
    ("path", "subprotocols", "headers", "status", "words"),
    [
        ("/nowhere", (), [], 404, "no route offers"),
        ("/v1/shelves/fiction?nam=x", (), [], 400, "did you mean `name`?"),
        ("/v1/shelves/fiction", ("chat",), [], 400, "edge.json.v1"),
        ("/v1/shelves/fiction", (JSON, "edge.bearer.*"), [], 400, "base64url"),
        ("/v1/shelves/fiction", (JSON, "edge.timeout.soon"), [], 400, "grpc-timeout"),
        ("/v1/shelves/fiction", (), [("origin", "https://evil.example")], 403, "allow_origins"),
        ("/v1/shelves/fiction", (), [("origin", SHOP), ("cookie", "a=b")], 403, "allow_credentials"),
        (f"/{PROBE}/Inspect", (), [("origin", SHOP)], 403, "give it a CORS policy"),
    ],
)
async def test_refusals_have_a_true_status(
    client: Client, path: str, subprotocols: tuple[str, ...], headers: Headers, status: int, words: str
) -> None:
    found, body = await client.refused(path, *subprotocols, headers=headers)
    assert found == status
    assert words in body["message"]


async def test_a_route_that_offers_no_web_sockets(client: Client) -> None:
    found, _ = await client.refused(f"/{PROBE}/Inspect", headers=[("x-route", "off")])
    assert found in (404, 405)


@pytest.mark.parametrize("own", [True, False])
async def test_pages_that_may_call(client: Client, own: bool) -> None:
    origin = f"http://{client.address}" if own else SHOP
    async with client.open("/v1/shelves/fiction", headers=[("origin", origin)]) as socket:
        frames, code, _ = await rest(socket)
    assert len(frames) == 1
    assert code == 1000


# === how calls end ===


async def test_a_status_of_the_service(client: Client) -> None:
    async with client.open("/v1/shelves/nowhere", JSON) as socket:
        frames, code, reason = await rest(socket)
    status = frames[-1]["end"]["status"]
    assert (status["code"], code) == (5, 4005)
    assert reason == status["message"]
    assert "google.rpc.ErrorInfo" in status["details"][0]["@type"]


async def test_a_long_message_is_cut_at_a_character(client: Client) -> None:
    sent = raw_script(finish(10, "ä" * 100))
    async with client.open(f"/{PROBE}/RunUnary", JSON, headers=sent) as socket:
        await socket.send_str('{"message": {}}')
        frames, code, reason = await rest(socket)
    assert (code, reason) == (4010, "ä" * 61)
    assert frames[-1]["end"]["status"]["message"] == "ä" * 100


@pytest.mark.parametrize(
    ("frame", "code", "words"),
    [('{"subjekt": 1}', 4003, "did you mean `subject`?"), ("{", 4003, "no JSON"), (b"\0", 1003, "text frames")],
)
async def test_frames_that_are_wrong(client: Client, frame: str | bytes, code: int, words: str) -> None:
    async with client.open(f"/{BOOKS}/RecommendBooks") as socket:
        await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
        _, found, reason = await rest(socket)
    assert found == code
    assert words in reason


@pytest.mark.parametrize(
    ("headers", "size", "words"),
    [
        ([("x-route", "small")], 3000, "transcoding.web_socket.max_message_bytes of routes/small"),
        ([], 5 << 20, "server.limits.max_message_bytes"),
    ],
)
async def test_messages_that_are_too_large(client: Client, headers: Headers, size: int, words: str) -> None:
    async with client.open(f"/{PROBE}/RunBidi", PROTO, headers=[*headers, *raw_script(echo())]) as socket:
        await socket.send_bytes(b"\0" + probe_pb2.Blob(data=bytes(size)).SerializeToString())
        frames, code, reason = await rest(socket)
    assert code == 1009
    assert words in reason
    assert json.loads(frames[-1][1:])["status"]["code"] == 8


@pytest.mark.parametrize("spoken", [True, False])
async def test_silence(client: Client, control: Stub, spoken: bool) -> None:
    call = call_id()
    sent = [("x-route", "small"), *raw_script(echo(), hang(), call=call)]
    began = time.monotonic()
    async with client.open(f"/{PROBE}/RunBidi", headers=sent) as socket:
        if spoken:
            await socket.send_str("{}")
        _, code, reason = await rest(socket)
    assert time.monotonic() - began > 0.35
    assert code == 4004
    assert "idle_timeout" in reason
    await seen(control, call, cancelled=True)


@pytest.mark.parametrize("method", ["RunUnary", "RunServerStream", "RunBidi"])
@pytest.mark.parametrize("whose", ["caller", "route"])
async def test_deadlines(client: Client, control: Stub, method: str, whose: str) -> None:
    call = call_id()
    sent = raw_script(hang(), call=call)
    entries = (JSON, "edge.timeout.300m") if whose == "caller" else (JSON,)
    if whose == "route":
        sent.append(("x-route", "slow"))
    async with client.open(f"/{PROBE}/{method}", *entries, headers=sent) as socket:
        await socket.send_str('{"message": {}}')
        frames, code, _ = await rest(socket)
    assert code == 4004
    assert frames[-1]["end"]["status"]["code"] == 4
    await seen(control, call, ended=True)


@pytest.mark.parametrize("way", ["close", "vanish"])
@pytest.mark.parametrize("method", ["RunUnary", "RunServerStream", "RunClientStream", "RunBidi"])
async def test_a_caller_that_leaves(client: Client, control: Stub, method: str, way: str) -> None:
    call = call_id()
    async with client.open(f"/{PROBE}/{method}", headers=raw_script(hang(), call=call)) as socket:
        await socket.send_str("{}")
        await seen(control, call)
        if way == "close":
            await socket.close()
        else:
            reset(socket)
        await seen(control, call, cancelled=True)


async def test_a_caller_that_does_not_read_holds_up_the_service(
    client: Client, control: Stub, gateway: Gateway
) -> None:
    call = call_id()
    before = gateway.rss
    size, count = 64 * 1024, 2000
    sent = raw_script(answers(count, size), call=call)
    async with client.open(f"/{PROBE}/RunServerStream", PROTO, headers=sent) as socket:
        transport = socket._response.connection.transport
        transport.pause_reading()
        await socket.send_bytes(b"\0")
        previous = -1
        async with asyncio.timeout(20):
            while (now := (await seen(control, call)).sent) != previous:
                previous = now
                await asyncio.sleep(0.5)
        assert 0 < now * size < 32 << 20, "of 125 MB"
        assert gateway.rss - before < 30 << 20
        transport.resume_reading()
        frames, code, _ = await rest(socket)
    assert len(frames) == count + 2
    assert code == 1000


async def test_a_service_that_does_not_read_holds_up_the_caller(
    client: Client, control: Stub, gateway: Gateway
) -> None:
    call = call_id()
    before = gateway.rss
    frame = b"\0" + probe_pb2.Blob(data=bytes(64 * 1024)).SerializeToString()
    sent = raw_script(read(1), hang(), call=call)
    count = 0
    async with client.open(f"/{PROBE}/RunBidi", PROTO, headers=sent) as socket:
        try:
            for _ in range(2000):
                async with asyncio.timeout(1.5):
                    await socket.send_bytes(frame)
                count += 1
        except TimeoutError:
            pass
        assert 0 < count * len(frame) < 32 << 20, "of 125 MB"
        assert gateway.rss - before < 30 << 20
        reset(socket)
        await seen(control, call, cancelled=True)


async def test_200_sockets_wait_side_by_side(client: Client, control: Stub) -> None:
    sent = raw_script(echo())
    before = (await control.Active(probe_pb2.ActiveRequest(at_most=1000), timeout=10)).calls
    sockets = [await client.open(f"/{PROBE}/RunBidi", headers=sent) for _ in range(200)]
    for number, socket in enumerate(sockets):
        await socket.send_str(json.dumps({"number": str(number)}))
    for number, socket in enumerate(sockets):
        assert (await socket.receive_json(timeout=10)).get("number", "0") == str(number)
    await asyncio.gather(*(socket.close() for socket in sockets))
    await control.Active(probe_pb2.ActiveRequest(at_most=before), timeout=10)


async def test_a_service_that_is_killed(folder: Path) -> None:
    process, address = start_bookstore()
    configuration = {
        "upstreams": [upstream("books", address)],
        "routes": [route("books", BOOKS, "books", transcoding={})],
    }
    try:
        with Gateway("web-socket-killed", folder, configuration) as gateway:
            learn(gateway.admin, BOOKS)
            async with aiohttp.ClientSession() as session:
                client = Client(session, gateway.http)
                async with client.open("/v1/shelves/fiction:watch", JSON) as socket:
                    assert "headers" in await socket.receive_json(timeout=10)
                    process.kill()
                    frames, code, _ = await rest(socket)
                assert code == 4014
                assert frames[-1]["end"]["status"]["code"] == 14

                async def unavailable() -> bool:
                    async with client.open("/v1/shelves/fiction") as socket:
                        return (await rest(socket))[1] == 4014

                await eventually(unavailable, what="new calls end with UNAVAILABLE")
    finally:
        end(process)


async def test_a_gateway_that_stops_says_so(folder: Path, probes: tuple[Probe, Probe]) -> None:
    configuration = {
        "upstreams": [upstream("probe", probes[0].address)],
        "routes": [route("probe", PROBE, "probe", transcoding={})],
    }
    with Gateway("web-socket-stopped", folder, configuration) as gateway:
        learn(gateway.admin, PROBE)
        async with aiohttp.ClientSession() as session:
            async with Client(session, gateway.http).open(f"/{PROBE}/RunBidi", headers=raw_script(echo())) as socket:
                await socket.send_str("{}")
                await socket.receive_json(timeout=10)
                stopping = asyncio.get_running_loop().run_in_executor(None, gateway.stop)
                _, code, _ = await rest(socket)
            assert code == 1001
            assert await stopping == 0
