"""Envoy, a peer of the benchmarks: with its JSON transcoder, or with a route for gRPC."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from benchmarks.processes import Proxy, free_port, running

NAME = "Envoy"
"""What the tables call it."""

_EXTENSIONS = "type.googleapis.com/envoy.extensions"


def envoy_path() -> str | None:
    """Return the program, or None when it is not installed."""
    beside = Path(sys.executable).parent / "envoy"
    return str(beside) if beside.exists() else shutil.which("envoy")


@contextlib.contextmanager
def envoy(upstream: int, folder: Path, schema: Path, service: str) -> Iterator[Proxy]:
    """Run Envoy with one worker and its transcoder.

    Args:
        upstream: The port of the upstream.
        folder: Where its configuration goes.
        schema: The descriptors, a FileDescriptorSet.
        service: The service whose rules it serves. `GET /hello` it answers by itself.
    """
    transcoder = {
        "@type": f"{_EXTENSIONS}.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(schema),
        "services": [service],
    }
    routes = [
        {"match": {"path": "/hello"}, "direct_response": {"status": 200, "body": {"inline_string": "{}"}}},
        {
            "match": {"prefix": "/"},
            "route": {"cluster": "upstream", "timeout": "5s"},
            # nghttpd does not say that it answers gRPC, and Envoy transcodes nothing else
            "response_headers_to_add": [{"header": {"key": "content-type", "value": "application/grpc"}}],
        },
    ]
    filters = [{"name": "envoy.filters.http.grpc_json_transcoder", "typed_config": transcoder}]
    with _running(upstream, folder, routes, filters) as proxy:
        yield proxy


@contextlib.contextmanager
def envoy_grpc(upstream: int, folder: Path, service: str) -> Iterator[Proxy]:
    """Run Envoy with one worker and one route, for the calls of a gRPC service."""
    routes = [{"match": {"prefix": f"/{service}/"}, "route": {"cluster": "upstream", "timeout": "0s"}}]
    with _running(upstream, folder, routes, []) as proxy:
        yield proxy


@contextlib.contextmanager
def _running(upstream: int, folder: Path, routes: Sequence[object], filters: Sequence[object]) -> Iterator[Proxy]:
    program = envoy_path()
    assert program is not None, "it is installed"
    port = free_port()
    file = folder / "envoy.json"
    file.write_text(json.dumps(configuration(port, upstream, routes, filters)))
    command = [program, "-c", str(file), "--use-dynamic-base-id", "--concurrency", "1", "-l", "error"]
    with running(command, port, measured=True) as process:
        yield Proxy(NAME, port, psutil.Process(process.pid))


def configuration(
    port: int, upstream: int, routes: Sequence[object], filters: Sequence[object]
) -> Mapping[str, object]:
    """Return Envoy's bootstrap: one listener for HTTP/1.1 and HTTP/2 in clear text, one endpoint that speaks HTTP/2."""
    router = {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"}
    manager = {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "AUTO",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [*filters, {"name": "envoy.filters.http.router", "typed_config": router}],
    }
    http2 = {
        "@type": f"{_EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    cluster = {
        "name": "upstream",
        "type": "STATIC",
        "typed_extension_protocol_options": {f"{_EXTENSIONS[20:]}.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": {
            "cluster_name": "upstream",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(upstream)}}]}],
        },
    }
    listener = {
        "address": _address(port),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(port: int) -> Mapping[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
