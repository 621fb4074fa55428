"""The REST bridge the gateway is measured against: what one writes by hand with aiohttp, json_format and grpc.aio.

It knows four URLs of the bookstore, generated stubs included. It does not route, check, limit, count or explain, and
passes no metadata.

    python -m benchmarks.naive_bridge PORT UPSTREAM
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvloop
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import Message

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples" / "bookstore"))

from bookstore.v1 import bookstore_pb2, bookstore_pb2_grpc

HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}

TIMEOUT = 5.0
"""Seconds a call may take."""


class Bridge:
    """The handlers.

    Args:
        channel: The upstream.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        stub: Any = bookstore_pb2_grpc.BookstoreServiceStub  # generated without types
        self._store = stub(channel)

    async def get_shelf(self, request: web.Request) -> web.Response:
        """Answer `GET /v1/shelves/*`."""
        message = bookstore_pb2.GetShelfRequest(name=f"shelves/{request.match_info['shelf']}")
        return await _answer(self._store.GetShelf, message)

    async def get_book(self, request: web.Request) -> web.Response:
        """Answer `GET /v1/shelves/*/books/*`."""
        name = f"shelves/{request.match_info['shelf']}/books/{request.match_info['book']}"
        return await _answer(self._store.GetBook, bookstore_pb2.GetBookRequest(name=name))

    async def create_book(self, request: web.Request) -> web.Response:
        """Answer `POST /v1/shelves/*/books`."""
        message = bookstore_pb2.CreateBookRequest(parent=f"shelves/{request.match_info['shelf']}")
        try:
            json_format.Parse(await request.read(), message.book)
        except json_format.ParseError as error:
            return web.json_response({"code": 3, "message": str(error)}, status=400)
        return await _answer(self._store.CreateBook, message)

    async def hello(self, _: web.Request) -> web.Response:
        """Answer without a call."""
        return web.Response(body=b"{}", content_type="application/json")


async def _answer(call: Callable[..., Awaitable[Message]], message: Message) -> web.Response:
    try:
        reply = await call(message, timeout=TIMEOUT)
    except grpc.aio.AioRpcError as error:
        body = {"code": error.code().value[0], "message": error.details()}
        return web.json_response(body, status=HTTP_STATUS.get(error.code(), 500))
    text = json_format.MessageToJson(reply, indent=None)
    return web.Response(text=text, content_type="application/json")


async def application(upstream: str) -> web.Application:
    """Return the application for an upstream."""
    channel = grpc.aio.insecure_channel(upstream)
    bridge = Bridge(channel)
    made = web.Application()
    made.add_routes(
        [
            web.get("/v1/shelves/{shelf}", bridge.get_shelf),
            web.get("/v1/shelves/{shelf}/books/{book}", bridge.get_book),
            web.post("/v1/shelves/{shelf}/books", bridge.create_book),
            web.get("/hello", bridge.hello),
        ]
    )

    async def close(_: web.Application) -> None:
        await channel.close()

    made.on_cleanup.append(close)
    return made


def main() -> None:
    """Serve until SIGTERM."""
    port, upstream = int(sys.argv[1]), sys.argv[2]
    loop = uvloop.new_event_loop()
    web.run_app(application(upstream), host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main()
