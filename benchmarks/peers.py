"""The proxies of the wire benchmark: Envoy, nginx, HAProxy and the gateway, each with one route to one upstream.

All do the same: one worker, HTTP/2 in clear text on both sides, calls of one gRPC service by the prefix of their path,
connections that are kept, no access log. Limits that would end a long benchmark are set out of the way.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import psutil

from benchmarks import envoy
from benchmarks.processes import COMPILED_PYTHON, GRPC_AIO, Build, Proxy, free_port, gateway, running

SERVICE = "bench.v1.Bench"

ENVOY, NGINX, HAPROXY = envoy.NAME, "nginx", "HAProxy"
AIO = Build(name="edge, grpc.aio", engine=GRPC_AIO)
PLAIN = Build(name="edge", engine="WIRE")
COMPILED = Build(name="edge, compiled", engine="WIRE", python=COMPILED_PYTHON)
PLAIN_ASYNCIO = Build(name="edge, no uvloop", engine="WIRE", uvloop=False)

NAMES = (ENVOY, NGINX, HAPROXY, AIO.name, PLAIN.name, COMPILED.name)
"""All that are compared, as the tables call them."""

Start = Callable[[int, Path], AbstractContextManager[Proxy]]
"""Runs a proxy in front of an upstream's port, with its files in a folder."""

_NGINX = """\
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; http2_max_concurrent_streams 1024;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; client_max_body_size 0;
  upstream bench {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} http2 backlog=4096;
    location /{service}/ {{ grpc_pass grpc://bench; grpc_read_timeout 1h; grpc_send_timeout 1h; }}
  }}
}}
"""

_HAPROXY = """\
global
  nbthread 1
  maxconn 20000
  no strict-limits
  tune.h2.max-concurrent-streams 1024
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend bench
  bind 127.0.0.1:{port} proto h2 backlog 4096
  use_backend bench if {{ path_beg /{service}/ }}
backend bench
  http-reuse always
  server one 127.0.0.1:{upstream} proto h2
"""


@contextlib.contextmanager
def _envoy(upstream: int, folder: Path) -> Iterator[Proxy]:
    with envoy.envoy_grpc(upstream, folder, SERVICE) as proxy:
        yield proxy


@contextlib.contextmanager
def _nginx(upstream: int, folder: Path) -> Iterator[Proxy]:
    port, file = free_port(), folder / "nginx.conf"
    file.write_text(_NGINX.format(folder=folder, upstream=upstream, port=port, service=SERVICE))
    with running(["nginx", "-p", str(folder), "-c", str(file)], port, measured=True) as process:
        yield Proxy(NGINX, port, psutil.Process(process.pid))


@contextlib.contextmanager
def _haproxy(upstream: int, folder: Path) -> Iterator[Proxy]:
    port, file = free_port(), folder / "haproxy.cfg"
    file.write_text(_HAPROXY.format(upstream=upstream, port=port, service=SERVICE))
    with running(["haproxy", "-db", "-q", "-f", str(file)], port, measured=True) as process:
        yield Proxy(HAPROXY, port, psutil.Process(process.pid))


@contextlib.contextmanager
def _edge(upstream: int, _: Path, build: Build) -> Iterator[Proxy]:
    with gateway(upstream, build=build) as proxy:
        yield proxy


def available(names: Sequence[str] = NAMES) -> dict[str, Start]:
    """Return those of the proxies that are installed here, by name, in the order of the tables."""
    there: dict[str, tuple[bool, Start]] = {
        ENVOY: (envoy.envoy_path() is not None, _envoy),
        NGINX: (shutil.which("nginx") is not None, _nginx),
        HAPROXY: (shutil.which("haproxy") is not None, _haproxy),
        **{build.name: (build.python.exists(), partial(_edge, build=build)) for build in (AIO, PLAIN, COMPILED)},
        PLAIN_ASYNCIO.name: (True, partial(_edge, build=PLAIN_ASYNCIO)),
    }
    return {name: start for name, (installed, start) in there.items() if installed and name in names}


def start(stack: ExitStack, starts: dict[str, Start], upstream: int, folder: Path) -> list[Proxy]:
    """Run proxies until the end of a stack, each with its files in a folder of its own."""
    proxies = []
    for index, run in enumerate(starts.values()):
        own = folder / f"{upstream}-{index}"
        own.mkdir()
        proxies.append(stack.enter_context(run(upstream, own)))
    return proxies
