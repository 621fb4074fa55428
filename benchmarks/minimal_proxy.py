"""The proxy the gateway is measured against: as little grpc.aio as a correct proxy can be written in.

It forwards any method to one upstream as raw bytes and passes metadata, deadline, status and cancellation. It does not
route, limit, balance, count or explain. `--unary` names the methods that take the unary path; all others take
stream_stream, as a proxy without a schema has to.

    python minimal_proxy.py LISTEN UPSTREAM [--unary /pkg.Service/Method …] [--uvloop]
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
RESERVED = frozenset({"user-agent", "grpc-accept-encoding", "grpc-encoding", "content-type", "te"})


def unary(call: Any) -> Callable[[bytes, Any], Awaitable[bytes]]:
    """Return the handler that forwards one unary method through the kept multicallable `call`."""

    async def handle(request: bytes, context: Any) -> bytes:
        metadata = [pair for pair in context.invocation_metadata() if pair[0] not in RESERVED]
        upstream = call(request, timeout=context.time_remaining(), metadata=metadata)
        try:
            response = await upstream
        except grpc.aio.AioRpcError as error:
            context.set_trailing_metadata(tuple(error.trailing_metadata()))
            context.set_code(error.code())
            context.set_details(error.details())
            return b""
        initial = await upstream.initial_metadata()
        if initial:
            await context.send_initial_metadata(tuple(initial))
        trailing = await upstream.trailing_metadata()
        if trailing:
            context.set_trailing_metadata(tuple(trailing))
        return response  # type: ignore[no-any-return]

    return handle


def streaming(call: Any) -> Callable[[Any, Any], Awaitable[None]]:
    """Return the handler that forwards one method of any shape through the kept multicallable `call`."""

    async def pump(context: Any, upstream: Any) -> None:
        while (message := await context.read()) is not grpc.aio.EOF:
            await upstream.write(message)
        await upstream.done_writing()

    async def handle(_: Any, context: Any) -> None:
        metadata = [pair for pair in context.invocation_metadata() if pair[0] not in RESERVED]
        upstream = call(timeout=context.time_remaining(), metadata=metadata)
        requests = asyncio.get_running_loop().create_task(pump(context, upstream))
        try:
            initial = await upstream.initial_metadata()
            await context.send_initial_metadata(tuple(initial))
            while (message := await upstream.read()) is not grpc.aio.EOF:
                await context.write(message)
            code = await upstream.code()
            context.set_trailing_metadata(tuple(await upstream.trailing_metadata()))
            if code is not grpc.StatusCode.OK:
                context.set_code(code)
                context.set_details(await upstream.details())
        finally:
            requests.cancel()
            upstream.cancel()

    return handle


class Proxy(grpc.GenericRpcHandler):
    """Finds the kept handler of a method, making it at the first call."""

    def __init__(self, channel: grpc.aio.Channel, unary_methods: frozenset[str]) -> None:
        self._channel = channel
        self._unary = unary_methods
        self._handlers: dict[str, Any] = {}

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a method."""
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None:
            if method in self._unary:
                handler = grpc.unary_unary_rpc_method_handler(unary(self._channel.unary_unary(method)))
            else:
                handler = grpc.stream_stream_rpc_method_handler(streaming(self._channel.stream_stream(method)))
            self._handlers[method] = handler
        return handler


async def serve(listen: str, target: str, unary_methods: frozenset[str]) -> None:
    """Serve until SIGTERM or SIGINT."""
    async with grpc.aio.insecure_channel(target, options=OPTIONS) as channel:
        server = grpc.aio.server(handlers=[Proxy(channel, unary_methods)], options=OPTIONS)
        server.add_insecure_port(listen)
        await server.start()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        print("ready", flush=True)
        await stop.wait()
        await server.stop(1)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("listen")
    parser.add_argument("upstream")
    parser.add_argument("--unary", action="append", default=[], metavar="METHOD")
    parser.add_argument("--uvloop", action="store_true")
    arguments = parser.parse_args()
    coroutine = serve(arguments.listen, arguments.upstream, frozenset(arguments.unary))
    if arguments.uvloop:
        import uvloop

        uvloop.run(coroutine)
    else:
        asyncio.run(coroutine)


if __name__ == "__main__":
    main()
