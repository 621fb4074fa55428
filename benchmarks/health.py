"""What checking the health of a thousand endpoints costs: CPU of a process that does nothing else.

python -m benchmarks.health [--endpoints 1000] [--upstreams 100] [--interval 10] [--probe grpc|http|tcp] [--services 0]

The endpoints are the addresses 127.0.0.1 to 127.0.3.250 of one server in another process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import time
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from edge.model.config import Configuration
from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import EndpointAddress, EndpointState
from edge.model.resilience import GrpcProbe, HealthCheck, HttpProbe, TcpProbe
from edge.model.settings import Limits
from edge.model.upstreams import Upstream, UpstreamProtocol
from edge.tasks import Tasks
from edge.upstream import Clusters
from edge.wire.transport import LoopTurn

SECONDS = 30.0
"""How long is measured."""

SERVICES = tuple(f"bench.v1.Service{number}" for number in range(60))


def serve(http: bool, pipe: Any) -> None:
    """Serve on a free port of every address until the process is ended."""
    asyncio.run(_serve_http(pipe) if http else _serve_grpc(pipe))


async def _serve_grpc(pipe: Any) -> None:
    server = grpc.aio.server()
    servicer: Any = health.aio.HealthServicer()
    add: Any = health_pb2_grpc.add_HealthServicer_to_server
    add(servicer, server)
    statuses: Any = health_pb2.HealthCheckResponse
    for service in ("", *SERVICES):
        await servicer.set(service, statuses.SERVING)
    pipe.send(server.add_insecure_port("0.0.0.0:0"))
    await server.start()
    await server.wait_for_termination()


async def _serve_http(pipe: Any) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(answer, "0.0.0.0", 0, backlog=2048)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def upstreams(options: argparse.Namespace, port: int, check: HealthCheck | None) -> dict[str, Upstream]:
    """Return the upstreams, with so many endpoints altogether."""
    addresses = [f"127.0.{number // 250}.{number % 250 + 1}:{port}" for number in range(options.endpoints)]
    share = options.endpoints // options.upstreams
    return {
        f"upstreams/{index}": Upstream(
            name=f"upstreams/{index}",
            protocol=UpstreamProtocol.HTTP if options.probe == "http" else UpstreamProtocol.GRPC,
            discovery=StaticDiscovery(
                endpoints=tuple(EndpointAddress(one) for one in addresses[index * share : (index + 1) * share])
            ),
            health_check=check,
            reflection=False,
        )
        for index in range(options.upstreams)
    }


async def measure(options: argparse.Namespace, port: int, check: HealthCheck | None) -> float:
    """Return the share of a core, in percent."""
    clusters = Clusters(Limits(), LoopTurn(asyncio.get_running_loop()))
    configuration = Configuration(upstreams=upstreams(options, port, check))
    clusters.publish(configuration, clusters.prepare(configuration))
    endpoints = [endpoint for cluster in clusters.current.values() for endpoint in cluster.endpoints]
    async with asyncio.timeout(60), contextlib.aclosing(clusters.changes.follow()) as changes:
        async for _ in changes:
            if all(endpoint.state is EndpointState.ACTIVE for endpoint in endpoints):
                break
    await asyncio.sleep(1.0)
    cpu, began = time.process_time(), time.monotonic()
    await asyncio.sleep(SECONDS)
    share = (time.process_time() - cpu) / (time.monotonic() - began) * 100
    assert all(endpoint.state is EndpointState.ACTIVE for endpoint in endpoints), "nobody was lost meanwhile"
    await clusters.close()
    await Tasks.close_detached()
    return share


def main() -> None:
    """Measure with and without checks, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--upstreams", type=int, default=100)
    parser.add_argument("--interval", type=float, default=10.0)
    parser.add_argument("--probe", choices=("grpc", "http", "tcp"), default="grpc")
    parser.add_argument("--services", type=int, default=0, help="services that are watched beside the server")
    options = parser.parse_args()
    probes: dict[str, GrpcProbe | HttpProbe | TcpProbe] = {
        "grpc": GrpcProbe(services=("", *SERVICES[: options.services])),
        "http": HttpProbe(path="/"),
        "tcp": TcpProbe(),
    }
    check = HealthCheck(probe=probes[options.probe], interval=options.interval, timeout=min(2.0, options.interval))
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(options.probe == "http", theirs), daemon=True)
    server.start()
    try:
        port = ours.recv()
        idle = asyncio.run(measure(options, port, None))
        busy = asyncio.run(measure(options, port, check))
    finally:
        server.kill()
    found = {"endpoints": options.endpoints, "interval": options.interval, "probe": options.probe}
    print(json.dumps({**found, "idle_percent": round(idle, 2), "checking_percent": round(busy, 2)}))


if __name__ == "__main__":
    main()
