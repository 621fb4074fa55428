"""An upstream that echoes: `Unary` one message, `Bidi` each message as it comes. Raw bytes, no schema.

python echo_server.py PORT
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import grpc
import grpc.aio

SERVICE = "bench.v1.Bench"


async def unary(request: bytes, _: Any) -> bytes:
    """Return what came."""
    return request


async def bidi(_: Any, context: Any) -> None:
    """Send back each message."""
    while (message := await context.read()) is not grpc.aio.EOF:
        await context.write(message)


async def serve(port: int) -> None:
    """Serve until SIGTERM."""
    server = grpc.aio.server(options=[("grpc.max_concurrent_streams", 10_000)])
    handlers: dict[str, Any] = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("ready", flush=True)
    await stop.wait()
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
