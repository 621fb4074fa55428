"""A bookstore that answers gRPC calls: one process, its own shelves, its own books.

    python examples/bookstore/server.py --port 50051 --name one

It prints one line when it takes calls, with its address, and ends gracefully on SIGTERM and SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from bookstore.service import BookstoreService
from bookstore.stock import fill
from bookstore.store import Store
from bookstore.v1 import bookstore_pb2, bookstore_pb2_grpc

SERVICE = bookstore_pb2.DESCRIPTOR.services_by_name["BookstoreService"].full_name
GRACE = 2.0


def main() -> int:
    """Run the bookstore until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=50051, help="the port to listen on, 0 for a free one (%(default)s)")
    parser.add_argument("--name", default="bookstore", help="what x-served-by says (%(default)s)")
    arguments = parser.parse_args()
    return asyncio.run(serve(arguments.host, arguments.port, arguments.name))


async def serve(host: str, port: int, name: str) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # without SO_REUSEPORT a port that is taken is an error, not half of somebody else's calls
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    store = Store()
    fill(store)
    bookstore_pb2_grpc.add_BookstoreServiceServicer_to_server(BookstoreService(name, store), server)  # type: ignore[no-untyped-call]
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    add_reflection(server)
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError:
        print(f"bookstore {name}: cannot listen on {host}:{port}, something else may", file=sys.stderr)
        return 1
    await server.start()
    for service in ("", SERVICE):
        await healthy.set(service, health_pb2.HealthCheckResponse.SERVING)
    print(f"bookstore {name} listens on {host}:{bound}", flush=True)
    await stop.wait()
    await healthy.enter_graceful_shutdown()
    store.close()
    await server.stop(GRACE)
    print(f"bookstore {name} has stopped", flush=True)
    return 0


def add_reflection(server: grpc.aio.Server) -> None:
    """Serve reflection as v1alpha and, the messages being the same on the wire, as v1."""
    names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer(names)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    v1 = grpc.method_handlers_generic_handler("grpc.reflection.v1.ServerReflection", {"ServerReflectionInfo": method})
    server.add_generic_rpc_handlers((v1,))


if __name__ == "__main__":
    sys.exit(main())
