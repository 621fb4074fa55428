"""The command line as a whole: help, versions, files, and a gateway that is not there."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from edge.cli import app
from edge.listeners import ListenError
from edge.model.errors import InvalidRequest, NoRoute, Violation
from tests.edge.commands.gateway import Gateway

COMMANDS = ["serve", "validate", "apply", "get", "describe", "explain", "tap", "version", "demo"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "TERMINAL_WIDTH": "200", "NO_COLOR": "1"})


def test_the_help_names_commands_and_exit_codes() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for word in [*COMMANDS, "cannot be reached", "no such resource", "130"]:
        assert word in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_help_has_an_example(command: str) -> None:
    assert f"edge {command}" in re.sub(r"\s+", " ", run(command, "--help").stdout).partition("Example")[2]


def test_the_help_comes_at_once() -> None:
    code = "import sys, edge.cli; print([name for name in ('grpc', 'gateway.v1', 'asyncio') if name in sys.modules])"
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert "grpc" not in done.stdout
    assert "gateway.v1" not in done.stdout


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_versions(form: str) -> None:
    result = run("version", "-o", form)
    assert result.exit_code == 0
    for name in ("edge", "grpcio", "protobuf", "python"):
        assert name in result.stdout
    if form == "json":
        assert json.loads(result.stdout)["edge"] == "0.1.0"


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "routes"],
        ["describe", "route", "a"],
        ["explain", "/a"],
        ["tap"],
    ],
)
def test_a_gateway_that_is_not_there(arguments: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run(*arguments, "--address", address)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr == (
        f"error: no gateway answers at {address}: connection refused. Start one with `edge serve --config edge.yaml`, "
        "or name another with --address\n"
    )


def test_something_else_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        result = run("get", "routes", "-a", f"127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert result.exit_code == 3
    assert "no gateway answers at" in result.stderr


def test_a_port_for_traffic() -> None:
    gateway = Gateway()
    gateway.error = NoRoute("no route takes /gateway.v1.RouteService/ListRoutes")
    with gateway.served() as address:
        result = run("get", "routes", "-a", address)
    assert result.exit_code == 3
    assert result.stderr.startswith(f"error: the gateway API is not at {address}; is that a port for traffic?")


def test_a_host_that_is_not_known() -> None:
    result = run("get", "routes", "-a", "no-such-host.invalid:1")
    assert result.exit_code == 3
    assert "no gateway answers at no-such-host.invalid:1: " in result.stderr


@pytest.mark.parametrize("address", ["nonsense", "http://a:1", "a:0", "a:99999", "a:b"])
def test_an_address_that_is_none(address: str) -> None:
    result = run("get", "routes", "-a", address)
    assert result.exit_code == 2
    assert "host and port" in result.stderr


def test_ports_alone_mean_this_machine() -> None:
    gateway = Gateway()
    with gateway.served() as address:
        port = address.rpartition(":")[2]
        assert run("get", "routes", "-a", port).exit_code == 0
        assert run("get", "routes", "-a", f":{port}").exit_code == 0


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["get"], ["get", "routes", "-o", "xml"], ["serve", "--log-level", "x"]]
)
def test_wrong_use(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_files_that_are_valid(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(
        "upstreams: [{name: upstreams/a, static: {endpoints: [{address: 'a:1'}]}}]\n"
        "routes: [{name: routes/a, forward: {upstreams: [{upstream: upstreams/a}]}}]\n"
    )
    result = run("validate", str(file))
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{file}: valid, 1 route, 1 upstream\n"


def test_files_that_are_not(tmp_path: Path) -> None:
    for name, text in (("a.yaml", "ruotes: []"), ("b.yaml", "routes: [{name: routes/a, timeout: 5}]")):
        (tmp_path / name).write_text(text)
    result = run("validate", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), str(tmp_path / "none.yaml"))
    assert result.exit_code == 1
    assert f"{tmp_path}/a.yaml:1:1: ruotes: unknown key `ruotes`; did you mean `routes`?" in result.stderr
    assert f"{tmp_path}/b.yaml:1:36: routes[0].timeout" in result.stderr
    assert "none.yaml" in result.stderr


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (
            InvalidRequest.of([Violation("a", "is wrong", "f:1:2"), Violation("b", "too")]),
            ["f:1:2: a: is wrong", "b: too"],
        ),
        (ListenError("port 1 is taken"), ["cannot start: port 1 is taken"]),
    ],
)
def test_a_gateway_that_cannot_start(monkeypatch: pytest.MonkeyPatch, raised: Exception, words: list[str]) -> None:
    def serve(*_: Any, **__: Any) -> int:
        raise raised

    monkeypatch.setattr("edge.app.serve", serve)
    result = run("serve", "--config", "f")
    assert result.exit_code == 1
    for word in words:
        assert word in result.stderr


def test_options_of_serve_and_demo_reach_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    def serve(config: Path | None, *, ready_file: Path | None, log_level: str | None) -> int:
        asked.append((config, ready_file, log_level))
        return 3

    def demo(*, once: bool) -> int:
        asked.append(once)
        return 0

    monkeypatch.setattr("edge.app.serve", serve)
    monkeypatch.setattr("edge.demo.run", demo)
    assert run("serve", "-c", "f", "--ready-file", "r", "--log-level", "debug").exit_code == 3
    assert run("demo", "--once").exit_code == 0
    assert asked == [(Path("f"), Path("r"), "DEBUG"), True]


def test_ctrl_c_ends_a_tap() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        path = os.pathsep.join(sys.path)
        with subprocess.Popen(
            [sys.executable, "-m", "edge.cli", "tap", "-a", address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        ) as process:
            connection, _ = silent.accept()
            with connection:
                time.sleep(0.2)
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in errors
