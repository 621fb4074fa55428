"""What of routes, upstreams and redirects does not fit to plain HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from edge.control.conversion.gather import gather
from edge.control.conversion.whole import convert
from edge.model.config import Configuration
from edge.model.errors import InvalidRequest
from edge.model.upstreams import UpstreamProtocol
from gateway.v1 import config_pb2

WEB = {"name": "upstreams/web", "protocol": "PROTOCOL_HTTP", "static": {"endpoints": [{"address": "127.0.0.1:1"}]}}
RPC = {"name": "upstreams/rpc", "static": {"endpoints": [{"address": "127.0.0.1:1"}]}}


def configuration(*upstreams: dict[str, Any], **others: list[dict[str, Any]]) -> Configuration:
    config = json_format.ParseDict({"upstreams": list(upstreams), **others}, config_pb2.GatewayConfig())
    gathered = gather(config)
    assert not gathered.problems
    return convert(gathered.resources, revision=1)


def refused(*upstreams: dict[str, Any], **others: list[dict[str, Any]]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        configuration(*upstreams, **others)
    return {violation.field: violation.description for violation in caught.value.violations}


def to(*names: str, **more: Any) -> dict[str, Any]:
    forward = {"upstreams": [{"upstream": f"upstreams/{name}", "weight": 1} for name in names]}
    return {"name": "routes/a", "forward": forward, "matches": [{"http": {"path": "/a/{id}"}}], **more}


def test_an_http_upstream_is_taken_and_learns_no_schema() -> None:
    upstream = configuration(WEB, routes=[to("web")]).upstreams["upstreams/web"]
    assert (upstream.protocol, upstream.reflection) == (UpstreamProtocol.HTTP, False)


def test_grpc_matches_and_transcoding_need_a_grpc_upstream() -> None:
    matches = [{"http": {"path": "/a"}}, {"grpc": {"service": "shop.v1.Shop"}}]
    found = refused(WEB, routes=[to("web", matches=matches, transcoding={})])
    assert found == {
        "routes/a.transcoding": "is for gRPC upstreams, and upstreams/web has `protocol: HTTP`; leave it out, "
        "requests pass as they are",
        "routes/a.matches[1].grpc": "selects gRPC calls, and upstreams/web has `protocol: HTTP`; write "
        "`http: {path: …}` instead, or `protocol: GRPC` in the upstream",
    }


def test_a_route_does_not_mix_what_upstreams_speak() -> None:
    words = "upstreams/rpc speaks gRPC and upstreams/web plain HTTP; the upstreams of one route have to speak the same"
    assert refused(WEB, RPC, routes=[to("rpc", "web")]) == {"routes/a.forward.upstreams": words}


def test_settings_of_grpc_are_refused_for_http() -> None:
    more = {"compression": "COMPRESSION_GZIP", "reflection": {"refresh_interval": "5s"}}
    connection = {"connections_per_endpoint": 2, "keepalive_time": "10s"}
    found = refused({**WEB, **more, "connection": connection}, routes=[])
    assert sorted(found) == [
        "upstreams/web.compression",
        "upstreams/web.connection.connections_per_endpoint",
        "upstreams/web.connection.keepalive_time",
        "upstreams/web.reflection",
    ]
    assert all("gRPC; leave it out with `protocol: HTTP`" in words for words in found.values())


def redirect(path: str, *matches: str) -> dict[str, Any]:
    return {"name": "routes/a", "redirect": {"path": path}, "matches": [{"http": {"path": match}} for match in matches]}


def test_parameters_of_a_redirect_are_those_of_the_path() -> None:
    configuration(routes=[redirect("/n/{id}/{rest}", "/a/{id}/{rest=**}")])
    assert refused(routes=[redirect("/n/{idd}", "/a/{id}")]) == {
        "routes/a.redirect.path": "the path of matches[0] has no parameter `idd`; did you mean `id`?"
    }
    assert list(refused(routes=[redirect("/n/{id}")])) == ["routes/a.redirect.path"]


def test_a_schema_is_not_learnt_from_an_http_upstream() -> None:
    schema = {"name": "schemas/s", "reflection_upstream": "upstreams/web"}
    assert refused(WEB, schemas=[schema]) == {
        "schemas/s.reflection_upstream": "upstreams/web has `protocol: HTTP`; only an upstream that speaks gRPC "
        "answers reflection"
    }
