"""`edge openapi`."""

from __future__ import annotations

import json

import yaml

from edge.admin_rest import api_document
from edge.model.errors import InvalidRequest, Violation
from tests.edge.commands.conftest import Edge
from tests.edge.commands.gateway import OPENAPI, Gateway


def test_the_document_of_a_route(edge: Edge, gateway: Gateway) -> None:
    for name in ("books", "routes/books"):
        result = edge("openapi", "--route", name)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout) == OPENAPI
        assert gateway.requests[-1].route == "routes/books"
    assert yaml.safe_load(edge("openapi", "-o", "yaml").stdout) == OPENAPI
    assert gateway.requests[-1].route == ""


def test_a_route_that_has_none(edge: Edge, gateway: Gateway) -> None:
    gateway.error = InvalidRequest.of([Violation("route", "routes/books does not transcode")])
    result = edge("openapi", "--route", "books")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "does not transcode" in result.stderr


def test_the_gateway_api_needs_no_gateway(edge: Edge, gateway: Gateway) -> None:
    result = edge("openapi", "--gateway-api")
    assert json.loads(result.stdout) == api_document()
    text = edge("openapi", "--gateway-api", "-o", "yaml").stdout
    assert yaml.safe_load(text) == api_document()
    assert "&id" not in text, "anchors, which few readers know"
    assert gateway.requests == []


def test_wrong_usage(edge: Edge) -> None:
    assert edge("openapi", "--gateway-api", "--route", "books").exit_code == 2
    assert edge("openapi", "-o", "table").exit_code == 2
