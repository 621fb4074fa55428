"""Clients in Node against a running gateway; what each one asserts is in its program in tests/clients."""

from __future__ import annotations

import pytest

from tests.integration.clients.conftest import Run
from tests.support.gateway import Gateway

pytestmark = pytest.mark.all


@pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect-json", "connect-proto"])
def test_connect_node(node: Run, protocol: str) -> None:
    node("connect_node.mjs", protocol)


@pytest.mark.parametrize("form", ["text", "binary"])
def test_the_official_grpc_web_client(node: Run, form: str) -> None:
    node("grpc_web.mjs", form)


def test_grpc_js(node: Run) -> None:
    node("grpc_js.mjs")


def test_ws(node: Run) -> None:
    node("websocket.mjs")


def test_a_page_in_chromium(node: Run) -> None:
    node("browser.mjs")


def test_the_gateway_logs_no_stack(public: Gateway) -> None:
    assert [line for line in public.log.read_text().splitlines() if "Traceback" in line] == []
