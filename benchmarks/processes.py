"""The processes of a benchmark: upstreams, the proxies that are compared, and the load on them."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
import yaml
from google.protobuf import descriptor_pb2

HERE = Path(__file__).resolve().parent
START_DEADLINE = 20.0
"""Seconds a process may take until it is ready."""

MESSAGE = b"\0\0\0\0\x0chello world!"
UNARY_PATH = "/bench.v1.Bench/Unary"

SERVER = {
    "listeners": [
        {"name": "traffic", "address": "127.0.0.1:0"},
        {"name": "http", "address": "127.0.0.1:0", "protocol": "HTTP"},
    ],
    "admin": {"address": "127.0.0.1:0"},
    "drain_timeout": "1s",
}
"""The sockets of the gateway, on free ports."""

GRPC_AIO = "GRPC_AIO"
"""The engine that calls grpcio's server, as `server.engine` names it."""

COMPILED_PYTHON = HERE.parent / ".build" / "compiled-venv" / "bin" / "python"
"""The Python that has the gateway with compiled modules, when `make test-compiled` has made it."""

_WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; from edge.cli import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Which gateway runs."""

    name: str = "edge"
    """What the tables call it."""

    python: Path = Path(sys.executable)
    """The Python that has it."""

    engine: str = ""
    """`server.engine`. Empty means the default."""

    uvloop: bool = True
    """Whether it may use uvloop."""

    def command(self) -> list[str]:
        """Return how the command `edge` is started: the installed package, not what the current folder has."""
        program = ["-m", "edge.cli"] if self.uvloop else ["-c", _WITHOUT_UVLOOP]
        return [str(self.python), "-P", *program]


EDGE = Build()
"""The gateway as it is installed here."""


@dataclass
class Proxy:
    """A proxy under load."""

    name: str
    """What the tables call it."""

    port: int
    """Where it listens, on 127.0.0.1."""

    process: psutil.Process
    """The process whose CPU counts."""

    def cpu(self) -> float:
        """Return the CPU seconds it has used."""
        # the clock of that process, clock_getcpuclockid(3): /proc has hundredths of a second only
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def rss(self) -> int:
        """Return its resident memory in bytes."""
        return int(self.process.memory_info().rss)


def free_port() -> int:
    """Return a port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens on `port`.

    Raises:
        RuntimeError: the process ended, or nobody did in time.
    """
    end = time.monotonic() + START_DEADLINE
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} does not listen on port {port} after {START_DEADLINE} s")


def pin(process: subprocess.Popen[bytes], *, measured: bool) -> None:
    """Give the measured process the first core, and everything else the others.

    Without that the ratio of two proxies depends on who happens to share a core with whom.
    """
    cores = sorted(psutil.Process().cpu_affinity() or [])
    if len(cores) > 1:
        psutil.Process(process.pid).cpu_affinity(cores[:1] if measured else cores[1:])


@contextlib.contextmanager
def running(command: list[str], port: int, *, measured: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that listens on `port` until the end of the block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=HERE.parent)
    pin(process, measured=measured)
    try:
        wait_for_port(port, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def nghttpd() -> Iterator[int]:
    """Run a very fast upstream that answers every call of `Unary` with one message, and yield its port."""
    if shutil.which("nghttpd") is None:
        raise SystemExit("nghttpd not found: apt-get install nghttp2-server")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / UNARY_PATH.lstrip("/")
        file.parent.mkdir(parents=True)
        file.write_bytes(MESSAGE)
        command = ["nghttpd", "--no-tls", "-a", "127.0.0.1", "--trailer", "grpc-status: 0", "-m", "1000", "-d", folder]
        with running([*command, str(port)], port):
            yield port


@contextlib.contextmanager
def echo() -> Iterator[int]:
    """Run the echo server and yield its port."""
    port = free_port()
    with running([sys.executable, str(HERE / "echo_server.py"), str(port)], port):
        yield port


@contextlib.contextmanager
def minimal(upstream: int) -> Iterator[Proxy]:
    """Run the minimal proxy."""
    port = free_port()
    command = [sys.executable, str(HERE / "minimal_proxy.py"), f"127.0.0.1:{port}", f"127.0.0.1:{upstream}", "--uvloop"]
    with running([*command, "--unary", UNARY_PATH], port, measured=True) as process:
        yield Proxy("minimal proxy", port, psutil.Process(process.pid))


@contextlib.contextmanager
def gateway(upstream: int, *, routes: int = 1, build: Build = EDGE) -> Iterator[Proxy]:
    """Run the gateway with one upstream, a schema for it, and `routes` routes of which the last takes the calls."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench.binpb").write_bytes(schema())
        with edge(configuration(folder, upstream, routes), folder, build=build) as proxy:
            yield proxy


@contextlib.contextmanager
def edge(
    configured: Mapping[str, object], folder: Path, *, listener: str = "traffic", build: Build = EDGE
) -> Iterator[Proxy]:
    """Run the gateway.

    Args:
        configured: What edge.yaml holds besides the sockets.
        folder: Where its files go.
        listener: The port that counts: `traffic` for gRPC, `http` for HTTP.
        build: Which gateway.

    Raises:
        RuntimeError: it did not become ready in time.
    """
    file, ready = folder / "edge.yaml", folder / "ready.json"
    server = SERVER | ({"engine": build.engine} if build.engine else {})
    file.write_text(yaml.safe_dump({"server": server, **configured}))
    command = [*build.command(), "serve", "--config", str(file), "--ready-file", str(ready), "--log-level", "WARNING"]
    process = subprocess.Popen(command)
    pin(process, measured=True)
    try:
        end = time.monotonic() + START_DEADLINE
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the gateway is not ready after {START_DEADLINE} s (exit {process.poll()})")
            time.sleep(0.005)
        address = json.loads(ready.read_text())["listeners"][listener]
        yield Proxy(build.name, int(address.rpartition(":")[2]), psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(15)


def configuration(folder: Path, upstream: int, routes: int) -> dict[str, object]:
    """Return the gateway's configuration."""
    forward = {"upstreams": [{"upstream": "upstreams/bench"}]}
    others = [
        {"name": f"routes/other-{index}", "matches": [{"grpc": {"service": f"other.v1.S{index}"}}], "forward": forward}
        for index in range(routes - 1)
    ]
    return {
        "schemas": [{"name": "schemas/bench", "file": str(folder / "bench.binpb")}],
        "upstreams": [
            {
                "name": "upstreams/bench",
                "static": {"endpoints": [{"address": f"127.0.0.1:{upstream}"}]},
                "schema": "schemas/bench",
            }
        ],
        "routes": [
            *others,
            {"name": "routes/bench", "matches": [{"grpc": {"service": "bench.v1.Bench"}}], "forward": forward},
        ],
    }


def schema() -> bytes:
    """Return the descriptors of the benchmark's service."""
    file = descriptor_pb2.FileDescriptorProto(name="bench/v1/bench.proto", package="bench.v1", syntax="proto3")
    file.message_type.add(name="Message")
    service = file.service.add(name="Bench")
    message = ".bench.v1.Message"
    service.method.add(name="Unary", input_type=message, output_type=message)
    service.method.add(
        name="Bidi", input_type=message, output_type=message, client_streaming=True, server_streaming=True
    )
    return descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()


def h2load(port: int, calls: int) -> None:
    """Make unary calls with h2load: 4 connections, 16 calls at once on each.

    h2load counts a call that fails by its trailers as a success, so one call is looked at first.

    Raises:
        RuntimeError: not every call was answered with 200.
    """
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.unary_unary(UNARY_PATH)
        one = call(MESSAGE[5:], timeout=10)
    if one != MESSAGE[5:]:
        raise RuntimeError(f"a call on port {port} is answered with {one!r}")
    with tempfile.NamedTemporaryFile() as body:
        body.write(MESSAGE)
        body.flush()
        command = ["h2load", "-n", str(calls), "-c4", "-m16", "-d", body.name, "-H", "content-type: application/grpc"]
        process = subprocess.Popen(
            [*command, "-H", "te: trailers", f"http://127.0.0.1:{port}{UNARY_PATH}"], stdout=subprocess.PIPE
        )
        pin(process, measured=False)
        output = process.communicate()[0].decode()
    if f"{calls} 2xx" not in output:
        raise RuntimeError(output)


def load(port: int, kind: str, count: int, concurrency: int) -> None:
    """Put a load from a grpcio client on a proxy.

    Raises:
        RuntimeError: something failed.
    """
    command = [sys.executable, str(HERE / "load_client.py"), f"127.0.0.1:{port}", kind, str(count), str(concurrency)]
    process = subprocess.Popen(command)
    pin(process, measured=False)
    if process.wait():
        raise RuntimeError(f"{kind} load on port {port}: something failed")
