"""`edge apply`: what is sent, what is shown, and what is refused before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from gateway.v1 import config_pb2
from tests.edge.commands.gateway import CONFIG, INVALID, Gateway

Edge = Callable[..., Result]

TEXT = "routes:\n- name: routes/a\n  timeout: 5s\n---\nname: upstreams/u\norigin: {kind: KIND_API}\nroundRobin: {}\n"


def test_documents_are_put_together_and_merged(edge: Edge, gateway: Gateway) -> None:
    result = edge("apply", "-f", "-", text=TEXT)
    assert result.exit_code == 0, result.stderr
    (request,) = gateway.requests
    assert request.merge
    assert not request.validate_only
    assert [route.name for route in request.config.routes] == ["routes/a"]
    assert not request.config.upstreams[0].HasField("origin")
    assert result.stdout.splitlines() == ["updated   routes/a (timeout)", "unchanged upstreams/u"]
    assert "revision 8 is in force" in result.stderr


def test_a_dry_run_changes_nothing_and_replace_deletes(edge: Edge, gateway: Gateway) -> None:
    result = edge("apply", "-f", "-", "--dry-run", "--replace", text=TEXT)
    assert gateway.requests[0].validate_only
    assert not gateway.requests[0].merge
    assert "nothing was changed" in result.stderr


def test_the_answer_for_programs(edge: Edge) -> None:
    assert json.loads(edge("apply", "-f", "-", "-o", "json", text=TEXT).stdout)["config"]["revision"] == "8"


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_what_get_prints_can_be_applied(edge: Edge, gateway: Gateway, form: str, tmp_path: Path) -> None:
    file = tmp_path / "config"
    printed = edge("get", "config", "-o", form).stdout
    file.write_text(printed if form == "yaml" else printed.replace("${", "$${"))
    assert edge("apply", "-f", str(file)).exit_code == 0
    expected = config_pb2.Config()
    expected.CopyFrom(CONFIG)
    expected.ClearField("revision")
    for resources in (expected.routes, expected.upstreams):
        for resource in resources:
            resource.ClearField("origin")
            resource.ClearField("create_time")
    assert gateway.requests[-1].config == expected
    file.write_text(edge("get", "route", "books", "-o", form).stdout)
    assert edge("apply", "-f", str(file)).exit_code == 0
    assert gateway.requests[-1].config.routes[0] == expected.routes[0]


def test_what_belongs_to_the_start_is_refused(edge: Edge, gateway: Gateway) -> None:
    result = edge("apply", "-f", "-", text="server: {workers: 1}\nroutes: []\nruotes: []\n")
    assert result.exit_code == 1
    assert "stdin:1:1: server: `server` is decided at the start of a gateway" in result.stderr
    assert "did you mean `routes`?" in result.stderr
    assert not gateway.requests


def test_mistakes_of_all_files_are_told(edge: Edge, gateway: Gateway, tmp_path: Path) -> None:
    for name, text in (("a.yaml", "a: [1"), ("b.yaml", "routes: 5\n---\nname: routes/x\ntimeout: 5m\n")):
        (tmp_path / name).write_text(text)
    result = edge("apply", "-f", str(tmp_path / "a.yaml"), "-f", str(tmp_path / "b.yaml"))
    assert result.exit_code == 1
    assert "the configuration has 3 mistakes" in result.stderr
    assert "b.yaml:4:10: timeout: expected a duration" in result.stderr
    assert not gateway.requests


def test_what_the_gateway_refuses_is_shown_where_it_stands(edge: Edge, gateway: Gateway) -> None:
    gateway.error = INVALID
    result = edge("apply", "-f", "-", text="routes:\n- name: routes/a\n---\nname: routes/b\ntimeout: 5s\n")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "error: config.routes[1].timeout: is too long (INVALID_ARGUMENT, INVALID_REQUEST)",
        "  stdin:5:10: config.routes[1].timeout: is too long",
        "  stdin:2:9: config.routes[0].name: is taken",
        "  revision: is old",
    ]


def test_a_file_that_cannot_be_read(edge: Edge, tmp_path: Path) -> None:
    result = edge("apply", "-f", str(tmp_path / "none.yaml"))
    assert result.exit_code == 1
    assert "cannot be read: no such file or directory" in result.stderr
    (tmp_path / "bytes").write_bytes(b"\xff")
    assert "UTF-8" in edge("apply", "-f", str(tmp_path / "bytes")).stderr
