"""Where endpoints come from: proto → model."""

from __future__ import annotations

import re

from edge.control.conversion import checks
from edge.control.conversion.discovery_consul import convert_consul
from edge.control.conversion.discovery_kubernetes import convert_kubernetes
from edge.control.conversion.scope import Scope
from edge.model.addresses import is_host, is_ipv4, is_ipv6
from edge.model.discovery import Discovery, DnsDiscovery, RecordType, RegistryDiscovery, StaticDiscovery
from edge.model.endpoint import EndpointAddress
from gateway.v1 import upstream_pb2

_MOST_WEIGHT = 1_000_000
_LONGEST_LEASE = 86400.0

_RECORD_TYPES = {
    upstream_pb2.DnsDiscovery.RECORD_TYPE_UNSPECIFIED: RecordType.ADDRESS,
    upstream_pb2.DnsDiscovery.RECORD_TYPE_ADDRESS: RecordType.ADDRESS,
    upstream_pb2.DnsDiscovery.RECORD_TYPE_SRV: RecordType.SRV,
}

_WITH_PORT = re.compile(r"(.*[^:\]]|\[.*\]):[0-9]+")


def convert_discovery(upstream: upstream_pb2.Upstream, scope: Scope) -> Discovery:
    """Return where the endpoints of an upstream come from. `scope` is that of the upstream."""
    match upstream.WhichOneof("discovery"):
        case "dns":
            return _dns(upstream.dns, scope.field("dns"))
        case "kubernetes":
            return convert_kubernetes(upstream.kubernetes, scope.field("kubernetes"))
        case "registry":
            return _registry(upstream.registry, scope.field("registry"))
        case "consul":
            return convert_consul(upstream.consul, scope.field("consul"))
        case "static":
            return _static(upstream.static, scope.field("static"))
        case None:
            scope.field("discovery").refuse("the upstream has no endpoints; add `static: {endpoints: [{address: …}]}`")
    return StaticDiscovery(endpoints=())


def resolved_name(upstream: upstream_pb2.Upstream) -> str:
    """Return the host name that DNS discovery resolves, which certificates are for. Empty where there is none.

    SRV records have a name of the service, `_grpc._tcp.shop.example`, of which the certificates know the last part
    (RFC 6125, 6.5).
    """
    name = upstream.dns.hostname.lower().rstrip(".")
    if upstream.dns.record_type == upstream_pb2.DnsDiscovery.RECORD_TYPE_SRV:
        while name.startswith("_"):
            name = name.partition(".")[2]
    return "" if is_ipv4(name) or is_ipv6(name.strip("[]")) else name


def _static(static: upstream_pb2.StaticDiscovery, scope: Scope) -> StaticDiscovery:
    scope = scope.field("endpoints")
    if not static.endpoints:
        scope.refuse('an endpoint is missing, as in `{address: "127.0.0.1:50051"}`')
    endpoints = []
    for index, endpoint in enumerate(static.endpoints):
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


def _dns(dns: upstream_pb2.DnsDiscovery, scope: Scope) -> DnsDiscovery:
    if dns.record_type not in _RECORD_TYPES:
        scope.field("record_type").refuse(f"{dns.record_type} is not known")
    record_type = _RECORD_TYPES.get(dns.record_type, RecordType.ADDRESS)
    srv = record_type is RecordType.SRV
    hostname = _hostname(dns.hostname, srv, scope.field("hostname"))
    if srv and dns.port:
        scope.field("port").refuse("SRV records carry the port; leave it out, or take `record_type: ADDRESS`")
    elif not srv and not 1 <= dns.port <= 65535:
        words = (
            f"{dns.port} is no port, which is a number" if dns.port else "is needed with A and AAAA records, a number"
        )
        scope.field("port").refuse(f"{words} from 1 to 65535")
    interval = None
    if dns.HasField("refresh_interval"):
        interval = checks.seconds(dns.refresh_interval, scope.field("refresh_interval"), least=1.0)
    return DnsDiscovery(hostname=hostname, port=dns.port, record_type=record_type, refresh_interval=interval)


def _hostname(hostname: str, srv: bool, scope: Scope) -> str:
    """Return the name to resolve, an IPv6 address without brackets. A dot at the end stays: nothing is searched for."""
    name = hostname.lower()
    bare = name.removesuffix(".")
    literal = is_ipv4(name) or is_ipv6(name.strip("[]"))
    if not name:
        scope.refuse("a name to resolve is missing, as in `backend.internal`")
    elif literal and srv:
        scope.refuse(f"`{hostname}` is an IP address, which has no SRV records; name the service")
    elif literal:
        return name.strip("[]")
    elif name.startswith("unix:"):
        scope.refuse("a unix socket is not resolved; write it as an address of `static`")
    elif _WITH_PORT.fullmatch(name):
        more = "SRV records carry the port" if srv else "it goes into `port`"
        scope.refuse(f"`{hostname}` has a port; {more}")
    elif not is_host(bare):
        checks.host(hostname, scope)
    return name


def _registry(registry: upstream_pb2.RegistryDiscovery, scope: Scope) -> RegistryDiscovery:
    if not registry.HasField("max_ttl"):
        return RegistryDiscovery()
    seconds = checks.seconds(registry.max_ttl, scope.field("max_ttl"), least=1.0, most=_LONGEST_LEASE)
    return RegistryDiscovery(max_ttl=seconds)
