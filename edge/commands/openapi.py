"""`edge openapi`: the OpenAPI document of what REST callers reach, or of the gateway API itself."""

from __future__ import annotations

import json
from typing import Any

import yaml

from edge.commands.client import TIMEOUT, connect, stub
from edge.commands.show import Format
from edge.commands.terminal import write
from gateway.v1 import admin_service_pb2, admin_service_pb2_grpc


def run(address: str, route: str, form: Format) -> None:
    """Print the document of one route of a running gateway, or of all when `route` is empty."""
    name = route if not route or route.startswith("routes/") else f"routes/{route}"
    request = admin_service_pb2.GetOpenApiRequest(route=name)
    with connect(address) as channel:
        answer = stub(admin_service_pb2_grpc.AdminServiceStub, channel).GetOpenApi(request, timeout=TIMEOUT)
    _print(json.loads(answer.data), form)


def gateway_api(form: Format) -> None:
    """Print the document of the gateway API. No gateway has to run."""
    from edge.admin_rest import api_document

    _print(api_document(), form)


def _print(document: dict[str, Any], form: Format) -> None:
    if form is Format.YAML:
        # not as edge.yaml is written, where `$` would be escaped
        write(yaml.dump(document, Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True, width=120).rstrip())
    else:
        write(json.dumps(document, indent=2, ensure_ascii=False))


class _WithoutAliases(yaml.SafeDumper):
    """Writes what is there twice twice: few readers of OpenAPI know YAML's anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature of PyYAML
        """Return that nothing is an alias."""
        return True
