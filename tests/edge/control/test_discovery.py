"""Where endpoints come from: what a configuration may say, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from edge.control.conversion.discovery import convert_discovery
from edge.control.conversion.scope import Scope
from edge.control.conversion.upstreams import convert_upstream
from edge.model.discovery import Discovery, DnsDiscovery, RecordType, RegistryDiscovery
from gateway.v1 import upstream_pb2


def upstream(**fields: Any) -> upstream_pb2.Upstream:
    return json_format.ParseDict(fields, upstream_pb2.Upstream(name="upstreams/a"))


def converted(**fields: Any) -> Discovery:
    scope = Scope()
    found = convert_discovery(upstream(**fields), scope)
    assert not scope.problems
    return found


def refused(**fields: Any) -> list[tuple[str, str]]:
    scope = Scope()
    convert_discovery(upstream(**fields), scope)
    return [(problem.path, problem.description) for problem in scope.problems]


def test_dns() -> None:
    assert converted(dns={"hostname": "Shop.Test", "port": 80}) == DnsDiscovery(hostname="shop.test", port=80)
    assert converted(dns={"hostname": "shop.test.", "port": 80}) == DnsDiscovery(hostname="shop.test.", port=80)
    assert converted(dns={"hostname": "[::1]", "port": 80, "record_type": "RECORD_TYPE_ADDRESS"}) == DnsDiscovery(
        hostname="::1", port=80
    )
    assert converted(
        dns={"hostname": "_grpc._tcp.shop.test", "record_type": "RECORD_TYPE_SRV", "refresh_interval": "5s"}
    ) == DnsDiscovery(hostname="_grpc._tcp.shop.test", record_type=RecordType.SRV, refresh_interval=5.0)


def test_registry() -> None:
    assert converted(registry={}) == RegistryDiscovery(max_ttl=300.0)
    assert converted(registry={"max_ttl": "90s"}) == RegistryDiscovery(max_ttl=90.0)


@pytest.mark.parametrize(
    ("discovery", "path", "words"),
    [
        ({}, "discovery", "the upstream has no endpoints; add `static:"),
        ({"dns": {"port": 80}}, "dns.hostname", "a name to resolve is missing, as in `backend.internal`"),
        ({"dns": {"hostname": "a"}}, "dns.port", "is needed with A and AAAA records, a number from 1 to 65535"),
        ({"dns": {"hostname": "a", "port": 65536}}, "dns.port", "65536 is no port"),
        ({"dns": {"hostname": "a:80", "port": 80}}, "dns.hostname", "`a:80` has a port; it goes into `port`"),
        ({"dns": {"hostname": "[::1]:80", "port": 80}}, "dns.hostname", "`[::1]:80` has a port"),
        ({"dns": {"hostname": "unix:/a", "port": 80}}, "dns.hostname", "a unix socket is not resolved"),
        ({"dns": {"hostname": "a b", "port": 80}}, "dns.hostname", "`a b` is no host name"),
        ({"dns": {"hostname": "10.0.0.999", "port": 80}}, "dns.hostname", "is no host name"),
        ({"dns": {"hostname": "bücher.test", "port": 80}}, "dns.hostname", "holds letters beyond ASCII"),
        ({"dns": {"hostname": "*.test", "port": 80}}, "dns.hostname", "a `*` may only stand"),
        (
            {"dns": {"hostname": "a", "record_type": "RECORD_TYPE_SRV", "port": 80}},
            "dns.port",
            "SRV records carry the port; leave it out, or take `record_type: ADDRESS`",
        ),
        (
            {"dns": {"hostname": "10.0.0.1", "record_type": "RECORD_TYPE_SRV"}},
            "dns.hostname",
            "`10.0.0.1` is an IP address, which has no SRV records; name the service",
        ),
        ({"dns": {"hostname": "a", "port": 80, "record_type": 9}}, "dns.record_type", "9 is not known"),
        (
            {"dns": {"hostname": "a", "port": 80, "refresh_interval": "0.5s"}},
            "dns.refresh_interval",
            "has to be at least 1s, and is 0.5s",
        ),
        ({"registry": {"max_ttl": "0.9s"}}, "registry.max_ttl", "has to be at least 1s, and is 0.9s"),
        ({"registry": {"max_ttl": "90000s"}}, "registry.max_ttl", "may be at most 86400s, and is 90000s"),
    ],
)
def test_what_is_wrong_is_refused(discovery: dict[str, Any], path: str, words: str) -> None:
    ((where, description),) = refused(**discovery)
    assert where == path
    assert words in description


@pytest.mark.parametrize(
    ("dns", "given", "name"),
    [
        ({"hostname": "Shop.Test.", "port": 443}, "", "shop.test"),
        ({"hostname": "_grpc._tcp.shop.test", "record_type": "RECORD_TYPE_SRV"}, "", "shop.test"),
        ({"hostname": "10.0.0.1", "port": 443}, "", ""),
        ({"hostname": "::1", "port": 443}, "", ""),
        ({"hostname": "shop.test", "port": 443}, "other.test", "other.test"),
    ],
)
def test_certificates_are_for_the_name_that_is_resolved(dns: dict[str, Any], given: str, name: str) -> None:
    scope = Scope()
    found = convert_upstream(upstream(dns=dns, tls={"server_name": given}), scope)
    assert not scope.problems
    assert found.tls is not None
    assert found.tls.server_name == name
