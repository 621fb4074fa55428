"""Where endpoints come from: proto → model."""

from __future__ import annotations

from edge.control.conversion import checks
from edge.control.conversion.scope import Scope
from edge.model.discovery import Discovery, StaticDiscovery
from edge.model.endpoint import EndpointAddress
from gateway.v1 import upstream_pb2

_MOST_WEIGHT = 1_000_000


def convert_discovery(upstream: upstream_pb2.Upstream, scope: Scope) -> Discovery:
    """Return where the endpoints of an upstream come from. `scope` is that of the upstream."""
    if upstream.WhichOneof("discovery") is None:
        scope.field("discovery").refuse("the upstream has no endpoints; add `static: {endpoints: [{address: …}]}`")
    return _static(upstream, scope.field("static"))


def _static(upstream: upstream_pb2.Upstream, scope: Scope) -> StaticDiscovery:
    if not upstream.HasField("static"):
        return StaticDiscovery(endpoints=())
    scope = scope.field("endpoints")
    if not upstream.static.endpoints:
        scope.refuse('an endpoint is missing, as in `{address: "127.0.0.1:50051"}`')
    endpoints = []
    for index, endpoint in enumerate(upstream.static.endpoints):
        place = scope.index(index)
        weight = endpoint.weight if endpoint.HasField("weight") else 1
        if not 1 <= weight <= _MOST_WEIGHT:
            place.field("weight").refuse(
                f"has to be from 1 to {_MOST_WEIGHT}; leave out an endpoint that is to get no calls"
            )
        checks.address(endpoint.address, place.field("address"))
        endpoints.append(EndpointAddress(endpoint.address, weight, endpoint.zone))
    checks.no_repeats(
        (endpoint.address, scope.index(index).field("address")) for index, endpoint in enumerate(endpoints)
    )
    return StaticDiscovery(endpoints=tuple(endpoints))
