from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from edge.listeners import HttpServer, ListenError
from edge.model.http import HttpExchange
from edge.model.settings import Limits
from tests.edge.listeners.http_place import Serve

HAS_IPV6 = Path("/proc/net/if_inet6").exists()
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


async def hello(exchange: HttpExchange) -> None:
    await exchange.respond(200, [], exchange.request.peer.encode())


class Hello:
    async def handle(self, exchange: HttpExchange) -> None:
        await hello(exchange)


async def test_a_port_that_is_taken_is_told_before_anything_is_started(serve: Serve) -> None:
    place = await serve(hello)
    with pytest.raises(ListenError, match=f"cannot listen on {place.server.address}: it is in use"):
        await HttpServer(place.server.address, Limits(), Hello()).bind()


async def test_a_server_that_is_bound_but_not_started_has_its_port() -> None:
    first = HttpServer("127.0.0.1:0", Limits(), Hello())
    await first.bind()
    assert int(first.address.rpartition(":")[2]) > 0
    with pytest.raises(ListenError):
        await HttpServer(first.address, Limits(), Hello()).bind()
    await first.stop(0)
    again = HttpServer(first.address, Limits(), Hello())
    await again.bind()
    await again.stop(0)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.0.2.1:0", "it is not an address of this machine"),
        ("no-such-host.invalid:1", "its host is not known"),
        ("127.0.0.1", "it is not host:port"),
        ("127.0.0.1:99999", "it is not host:port"),
        ("unix:/no/such/folder/socket", "No such file or directory"),
    ],
)
async def test_an_address_that_cannot_be_is_told(address: str, words: str) -> None:
    with pytest.raises(ListenError, match=f"cannot listen on {address}: {words}"):
        await HttpServer(address, Limits(), Hello()).bind()


async def test_ipv6_and_who_calls_over_it(serve: Serve) -> None:
    if not HAS_IPV6:
        pytest.skip("this machine has no IPv6")
    place = await serve(hello, "[::1]:0")
    assert place.server.address.startswith("[::1]:")
    caller = await place.call(GET)
    port = caller.writer.get_extra_info("sockname")[1]
    assert (await caller.answer())[2] == f"ipv6:[::1]:{port}".encode()


async def test_a_unix_socket_goes_when_the_server_does(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    place = await serve(hello, f"unix:{path}")
    caller = await place.call(GET)
    assert (await caller.answer())[2] == b"unix:"
    with pytest.raises(ListenError, match="in use"):
        await HttpServer(f"unix:{path}", Limits(), Hello()).bind()
    assert path.exists()
    await place.server.stop(1)
    assert not path.exists()


async def test_a_unix_socket_somebody_left_behind_is_replaced(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    place = await serve(hello, f"unix:{path}")
    assert (await (await place.call(GET)).answer())[0] == 200


async def test_a_file_that_is_no_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(ListenError, match="in use"):
        await HttpServer(f"unix:{path}", Limits(), Hello()).bind()
    assert path.read_text() == "data"


async def test_a_caller_of_a_unix_socket_that_leaves_is_noticed(serve: Serve, tmp_path: Path) -> None:
    async def wait(exchange: HttpExchange) -> None:
        await asyncio.Event().wait()

    place = await serve(wait, f"unix:{tmp_path / 'http.sock'}")
    caller = await place.call(b"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 9999999\r\n\r\n" + bytes(1_000_000))
    await place.handler.begun.wait()
    await asyncio.sleep(0.2)
    caller.vanish()
    await asyncio.wait_for(place.handler.ended.wait(), 1)


async def test_stopping_waits_for_what_is_under_way_and_closes_what_is_idle(serve: Serve) -> None:
    go = asyncio.Event()

    async def answer(exchange: HttpExchange) -> None:
        body = await exchange.read_all(100)
        if body:
            await go.wait()
        await exchange.respond(200, [], b"done " + body)

    place = await serve(answer)
    idle = await place.call(GET)
    await idle.answer()
    silent = await place.call()
    busy = await place.call(b"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 4\r\n\r\nbo")
    await asyncio.sleep(0.05)
    stopping = asyncio.get_running_loop().create_task(place.server.stop(5))
    assert await idle.rest() == b""
    assert await silent.rest() == b""
    with pytest.raises(ConnectionRefusedError):
        await place.call()
    # the body of what is under way still comes in
    busy.send(b"dy")
    await asyncio.sleep(0.1)
    assert not stopping.done()
    go.set()
    status, headers, body = await busy.answer()
    assert (status, headers["connection"], body) == (200, "close", b"done body")
    await asyncio.wait_for(stopping, 2)


async def test_stopping_cuts_what_does_not_end(serve: Serve) -> None:
    async def forever(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await asyncio.Event().wait()

    place = await serve(forever)
    caller = await place.call(GET)
    await caller.head()
    begun = time.monotonic()
    await place.server.stop(0.3)
    assert 0.2 < time.monotonic() - begun < 2
    assert isinstance(place.handler.outcome, asyncio.CancelledError)
    assert b"0\r\n\r\n" not in await caller.rest()


async def test_stopping_lets_a_stream_finish(serve: Serve) -> None:
    go = asyncio.Event()

    async def stream(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await go.wait()
        await exchange.write(b"end")
        await exchange.finish()

    place = await serve(stream)
    caller = await place.call(GET)
    await caller.head()
    stopping = asyncio.get_running_loop().create_task(place.server.stop(5))
    await asyncio.sleep(0.05)
    go.set()
    assert await caller.rest() == b"3\r\nend\r\n0\r\n\r\n"
    await asyncio.wait_for(stopping, 2)


async def test_a_server_can_be_stopped_twice_and_without_being_started() -> None:
    server = HttpServer("127.0.0.1:0", Limits(), Hello())
    with pytest.raises(RuntimeError, match="bind comes before start"):
        await server.start()
    await server.stop(0)
    await server.bind()
    await server.start()
    await server.stop(0)
    await server.stop(0)
