"""`edge drain` and `edge undrain`: whether an endpoint gets new calls."""

from __future__ import annotations

from typing import Any

from edge.commands import show
from edge.commands.client import TIMEOUT, connect, stub
from edge.commands.kinds import ENDPOINTS
from edge.commands.show import Format
from edge.commands.terminal import ExitCode, Failure, table
from edge.model.hints import did_you_mean
from gateway.v1 import endpoint_service_pb2, endpoint_service_pb2_grpc


def run(address: str, name: str, endpoint: str | None, form: Format, *, drain: bool) -> None:
    """Drain an endpoint or end that, and print how it is then.

    Args:
        address: The gateway.
        name: An upstream, or the full name of an endpoint.
        endpoint: The endpoint of that upstream, by its address or the last part of its name.
        form: How to print it.
        drain: Whether it gets no new calls.

    Raises:
        Failure: there is no such endpoint, or the gateway refused.
    """
    with connect(address) as channel:
        full = name if endpoint is None and "/endpoints/" in name else _full_name(channel, name, endpoint)
        service = stub(endpoint_service_pb2_grpc.EndpointServiceStub, channel)
        if drain:
            found = service.DrainEndpoint(endpoint_service_pb2.DrainEndpointRequest(name=full), timeout=TIMEOUT)
        else:
            found = service.UndrainEndpoint(endpoint_service_pb2.UndrainEndpointRequest(name=full), timeout=TIMEOUT)
    if form is Format.TABLE:
        table(ENDPOINTS.headers, [ENDPOINTS.row(found)])
    else:
        show.structured(found, form)


def _full_name(channel: Any, name: str, endpoint: str | None) -> str:
    upstream = f"upstreams/{name.removeprefix('upstreams/').removesuffix('/endpoints')}"
    if endpoint is None:
        hint = f"say which endpoint of {upstream[:80]}, by its address; `edge get endpoints {name[:60]}` shows them"
        raise Failure(ExitCode.USAGE, hint)
    known = list(ENDPOINTS.list(channel, upstream))
    for one in known:
        if endpoint in (one.address, one.name, one.name.rpartition("/")[2]):
            return str(one.name)
    hint = did_you_mean(endpoint, [one.address for one in known])
    raise Failure(ExitCode.NOT_FOUND, f"{upstream[:80]} has no endpoint `{endpoint[:80]}`{hint}")
