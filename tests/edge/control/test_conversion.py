"""Proto → model: what is taken, and what is refused at which field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme
from google.api import http_pb2
from google.protobuf import json_format

from edge.control.conversion import availability
from edge.control.conversion.gather import gather
from edge.control.conversion.scope import Places
from edge.control.conversion.whole import convert
from edge.control.resources import Resources
from edge.model.call import Protocol
from edge.model.config import (
    Configuration,
    CorsPolicy,
    DirectResponse,
    Forward,
    GrpcTarget,
    HeaderChange,
    HeaderPolicy,
    HttpTarget,
    ValueMatch,
)
from edge.model.discovery import StaticDiscovery
from edge.model.errors import InvalidRequest
from edge.model.status import Code
from edge.model.transcoding import JsonOptions, Strictness, Transcoding
from edge.model.upstreams import Compression
from gateway.v1 import config_pb2, route_pb2, upstream_pb2

UPSTREAM: dict[str, Any] = {"name": "upstreams/a", "static": {"endpoints": [{"address": "127.0.0.1:1"}]}}
ROUTE: dict[str, Any] = {"name": "routes/a", "forward": {"upstreams": [{"upstream": "upstreams/a"}]}}


def convert_dict(**config: Any) -> Configuration:
    gathered = gather(json_format.ParseDict(config, config_pb2.GatewayConfig()))
    places = Places(prefixes=gathered.prefixes)
    assert not gathered.problems
    return convert(gathered.resources, revision=1, places=places)


def refused(**config: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        convert_dict(**config)
    return {violation.field: violation.description for violation in caught.value.violations}


def refused_route(**fields: Any) -> dict[str, str]:
    return {
        field.removeprefix("routes[0]."): description
        for field, description in refused(upstreams=[UPSTREAM], routes=[{**ROUTE, **fields}]).items()
    }


def refused_upstream(**fields: Any) -> dict[str, str]:
    return {
        field.removeprefix("upstreams[0]."): description
        for field, description in refused(upstreams=[{**UPSTREAM, **fields}]).items()
    }


def refused_header(**change: Any) -> dict[str, str]:
    found = refused(policies=[{"name": "policies/a", "header": {"request": change}}])
    return {field.removeprefix("policies[0].header.request."): description for field, description in found.items()}


def test_everything_a_route_may_hold_reaches_the_model() -> None:
    found = convert_dict(
        upstreams=[UPSTREAM, {**UPSTREAM, "name": "upstreams/b"}],
        policies=[{"name": "policies/a", "header": {"response": {"remove": ["X-A"]}}, "global": True}],
        routes=[
            {
                "name": "routes/a",
                "displayName": "A",
                "matches": [
                    {
                        "hosts": ["Shop.Example.com", "*.example.org", "[::1]", "10.0.0.1"],
                        "grpc": {"service": "a.v1.B", "method": "C"},
                        "headers": [
                            {"name": "X-A", "exact": ""},
                            {"name": "x-b", "prefix": "p"},
                            {"name": "x-c-bin", "present": False},
                        ],
                        "query": [{"name": "Q", "exact": "1"}, {"name": "R", "present": True}],
                    },
                    {"http": {"path": "/a/{b}", "methods": ["GET", "M-SEARCH"]}},
                ],
                "priority": -2,
                "policies": ["policies/a"],
                "forward": {
                    "upstreams": [
                        {"upstream": "upstreams/a", "weight": 0},
                        {"upstream": "upstreams/b", "weight": 3},
                    ]
                },
                "transcoding": {},
                "timeout": "1.5s",
                "streamTimeout": "2s",
                "streamIdleTimeout": "3s",
                "maxRequestMessageBytes": 4,
                "maxResponseMessageBytes": 5,
                "labels": {"a": "b"},
            }
        ],
    ).routes["routes/a"]
    first, second = found.matches
    assert first.hosts == ("shop.example.com", "*.example.org", "[::1]", "10.0.0.1")
    assert first.target == GrpcTarget(service="a.v1.B", method="C")
    assert first.headers == (
        ValueMatch(name="x-a", exact=""),
        ValueMatch(name="x-b", prefix="p"),
        ValueMatch(name="x-c-bin", present=False),
    )
    assert first.query == (ValueMatch(name="Q", exact="1"), ValueMatch(name="R", present=True))
    assert second.target == HttpTarget(path="/a/{b}", methods=frozenset({"GET", "M-SEARCH"}))
    assert found.action == Forward(upstreams=(("upstreams/a", 0), ("upstreams/b", 3)))
    assert (found.priority, found.policies, found.transcoding) == (-2, ("policies/a",), Transcoding())
    assert (found.timeout, found.stream_timeout, found.stream_idle_timeout) == (1.5, 2.0, 3.0)
    assert (found.max_request_message_bytes, found.max_response_message_bytes) == (4, 5)


def test_a_direct_response_has_a_code() -> None:
    found = convert_dict(routes=[{"name": "routes/a", "directResponse": {"code": 5, "message": "no"}}])
    assert found.routes["routes/a"].action == DirectResponse(code=Code.NOT_FOUND, message="no")


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"forward": {}}, "forward.upstreams", "an upstream is missing"),
        ({"forward": {"upstreams": [{}]}}, "forward.upstreams[0].upstream", "is missing"),
        ({"forward": {"upstreams": [{"upstream": "a"}]}}, "forward.upstreams[0].upstream", "is no name of an upstream"),
        (
            {"forward": {"upstreams": [{"upstream": "upstreams/aa"}]}},
            "forward.upstreams[0].upstream",
            "there is no `upstreams/aa`; did you mean `upstreams/a`?",
        ),
        (
            {"forward": {"upstreams": [{"upstream": "routes/a"}]}},
            "forward.upstreams[0].upstream",
            "is no name of an upstream",
        ),
        (
            {"forward": {"upstreams": [{"upstream": "upstreams/a"}, {"upstream": "upstreams/a", "weight": 1}]}},
            "forward.upstreams[0].weight",
            "several upstreams",
        ),
        (
            {"forward": {"upstreams": [{"upstream": "upstreams/a", "weight": 1}] * 2}},
            "forward.upstreams[1].upstream",
            "is in forward.upstreams[0].upstream already",
        ),
        ({"forward": {"upstreams": [{"upstream": "upstreams/a", "weight": 0}]}}, "forward.upstreams", "above 0"),
        ({"policies": ["policies/a"]}, "policies[0]", "there is no `policies/a`"),
        ({"policies": ["policies/a", "policies/a"]}, "policies[1]", "already"),
        ({"timeout": "0s"}, "timeout", "longer than 0"),
        ({"timeout": "-1s"}, "timeout", "longer than 0, and is -1s"),
        ({"timeout": "0.0000001s"}, "timeout", "at least 0.001s"),
        ({"timeout": "31536001s"}, "timeout", "at most 31536000s"),
        ({"streamTimeout": "0s"}, "stream_timeout", "longer than 0"),
        ({"streamIdleTimeout": "0s"}, "stream_idle_timeout", "longer than 0"),
        ({"maxRequestMessageBytes": 2**31}, "max_request_message_bytes", "at most"),
        ({"maxResponseMessageBytes": 2**31}, "max_response_message_bytes", "at most"),
        ({"matches": [{"hosts": ["a:80"]}]}, "matches[0].hosts[0]", "write `a`"),
        ({"matches": [{"hosts": ["a.*.b"]}]}, "matches[0].hosts[0]", "`*`"),
        ({"matches": [{"hosts": [""]}]}, "matches[0].hosts[0]", "missing"),
        ({"matches": [{"hosts": ["bücher.de"]}]}, "matches[0].hosts[0]", "ASCII"),
        ({"matches": [{"hosts": ["http://a"]}]}, "matches[0].hosts[0]", "no host name"),
        ({"matches": [{"hosts": ["999.1.1.1"]}]}, "matches[0].hosts[0]", "no host name"),
        ({"matches": [{"hosts": ["[::x]"]}]}, "matches[0].hosts[0]", "IPv6"),
        ({"matches": [{"hosts": ["a", "A"]}]}, "matches[0].hosts[1]", "already"),
        ({"matches": [{"grpc": {"service": "/a.B"}}]}, "matches[0].grpc.service", "no full service name"),
        ({"matches": [{"grpc": {"method": "C"}}]}, "matches[0].grpc.method", "needs `service`"),
        ({"matches": [{"grpc": {"service": "a.B", "method": "C/D"}}]}, "matches[0].grpc.method", "no method name"),
        ({"matches": [{"http": {}}]}, "matches[0].http.path", "a path is missing"),
        ({"matches": [{"http": {"path": "/", "methods": ["get"]}}]}, "matches[0].http.methods[0]", "mean `GET`?"),
        ({"matches": [{"http": {"path": "/", "methods": ["GET"] * 2}}]}, "matches[0].http.methods[1]", "already"),
        ({"matches": [{"headers": [{"name": "a b", "exact": "x"}]}]}, "matches[0].headers[0].name", "no header name"),
        ({"matches": [{"headers": [{"exact": "x"}]}]}, "matches[0].headers[0].name", "missing"),
        ({"matches": [{"headers": [{"name": ":path", "exact": "x"}]}]}, "matches[0].headers[0].name", "request line"),
        ({"matches": [{"headers": [{"name": "a"}]}]}, "matches[0].headers[0]", "needs `exact`"),
        ({"matches": [{"headers": [{"name": "a", "prefix": ""}]}]}, "matches[0].headers[0].prefix", "may not be empty"),
        (
            {"matches": [{"headers": [{"name": "a-bin", "exact": "x"}]}]},
            "matches[0].headers[0].exact",
            "`present` only",
        ),
        ({"matches": [{"query": [{"exact": "x"}]}]}, "matches[0].query[0].name", "missing"),
        ({"matches": [{"query": [{"name": "a"}]}]}, "matches[0].query[0]", "needs `exact`"),
    ],
)
def test_what_is_wrong_with_a_route_is_said_of_its_field(fields: dict[str, Any], field: str, words: str) -> None:
    found = refused_route(**fields)
    assert words in found[field]


def test_a_route_without_action_is_refused() -> None:
    assert "does nothing" in refused(routes=[{"name": "routes/a"}])["routes[0].action"]


@pytest.mark.parametrize("code", [-1, 17])
def test_a_code_is_from_0_to_16(code: int) -> None:
    found = refused(routes=[{"name": "routes/a", "directResponse": {"code": code}}])
    assert "no gRPC status code" in found["routes[0].direct_response.code"]


def test_a_duration_has_one_sign() -> None:
    route = route_pb2.Route(name="routes/a")
    route.direct_response.code = 0
    route.timeout.seconds, route.timeout.nanos = 1, -1
    with pytest.raises(InvalidRequest, match="same sign"):
        convert(Resources([route]), revision=1)


def test_a_redirect_leads_somewhere_else() -> None:
    route: dict[str, Any] = {"name": "routes/a", "redirect": {"host": "a", "path": "b", "status": 300}}
    assert set(refused(routes=[route])) == {"routes[0].redirect.path", "routes[0].redirect.status"}
    route = {"name": "routes/a", "redirect": {}}
    assert "leads back" in refused(routes=[route])["routes[0].redirect"]


def test_everything_about_transcoding_reaches_the_model() -> None:
    rule = {"selector": "a.B.C", "get": "/v1/{name=a/*}"}
    transcoding = {
        "rules": [rule],
        "rpcPaths": True,
        "strictness": "STRICTNESS_WARN",
        "json": {"protoFieldNames": True, "printDefaults": True, "enumsAsNumbers": True, "stripEnumPrefix": True},
        "streams": {"heartbeatInterval": "2s"},
        "webSocket": {"idleTimeout": "3s", "pingInterval": "4s", "maxMessageBytes": 5},
        "disabledProtocols": ["PROTOCOL_CONNECT", "PROTOCOL_WEB_SOCKET"],
        "openapi": True,
        "ignoredQueryParameters": ["key"],
        "disableUpdateMask": True,
    }
    route = convert_dict(upstreams=[UPSTREAM], routes=[{**ROUTE, "transcoding": transcoding}]).routes["routes/a"]
    assert route.transcoding == Transcoding(
        rules=(json_format.ParseDict(rule, http_pb2.HttpRule()).SerializeToString(),),
        rpc_paths=True,
        strictness=Strictness.WARN,
        json=JsonOptions(proto_field_names=True, print_defaults=True, enums_as_numbers=True, strip_enum_prefix=True),
        heartbeat_interval=2.0,
        web_socket_idle_timeout=3.0,
        web_socket_ping_interval=4.0,
        web_socket_max_message_bytes=5,
        disabled=frozenset({Protocol.CONNECT, Protocol.WEB_SOCKET}),
        openapi=True,
        ignored_query_parameters=frozenset({"key"}),
        update_mask=False,
    )


def test_what_is_wrong_with_transcoding_is_said_at_its_place() -> None:
    transcoding = {
        "rules": [{"selector": "nothing", "get": "/a"}, {"selector": "a.B.C"}, {"selector": "a.B.C"}],
        "streams": {"heartbeatInterval": "0s"},
        "webSocket": {"pingInterval": "-1s"},
        "disabledProtocols": ["PROTOCOL_UNSPECIFIED"],
    }
    assert set(refused_route(transcoding=transcoding)) == {
        "transcoding.rules[0].selector",
        "transcoding.rules[2].selector",
        "transcoding.streams.heartbeat_interval",
        "transcoding.web_socket.ping_interval",
        "transcoding.disabled_protocols[0]",
    }


def test_a_cors_policy_reaches_the_model() -> None:
    cors = {
        "allowOrigins": ["https://Shop.example.com", "https://*.example.com:8443"],
        "allowMethods": ["GET"],
        "allowHeaders": ["X-A"],
        "exposeHeaders": ["X-B"],
        "allowCredentials": True,
        "maxAge": "60s",
    }
    found = convert_dict(policies=[{"name": "policies/a", "cors": cors}]).policies["policies/a"]
    assert found.kind == CorsPolicy(
        allow_origins=("https://shop.example.com", "https://*.example.com:8443"),
        allow_methods=("GET",),
        allow_headers=("x-a",),
        expose_headers=("x-b",),
        allow_credentials=True,
        max_age=60.0,
    )


@pytest.mark.parametrize(
    ("cors", "field"),
    [
        ({}, "allow_origins"),
        ({"allowOrigins": ["shop.example.com"]}, "allow_origins[0]"),
        ({"allowOrigins": ["https://shop.example.com/path"]}, "allow_origins[0]"),
        ({"allowOrigins": ["*"], "allowCredentials": True}, "allow_credentials"),
        ({"allowOrigins": ["*"], "allowMethods": ["get"]}, "allow_methods[0]"),
        ({"allowOrigins": ["*"], "exposeHeaders": ["no name"]}, "expose_headers[0]"),
    ],
)
def test_what_is_wrong_with_a_cors_policy_is_said_at_its_place(cors: dict[str, Any], field: str) -> None:
    assert list(refused(policies=[{"name": "policies/a", "cors": cors}])) == [f"policies[0].cors.{field}"]


def test_all_violations_are_found_at_once() -> None:
    found = refused(
        upstreams=[UPSTREAM, {"name": "upstreams/b"}],
        routes=[{**ROUTE, "timeout": "0s"}, {"name": "routes/b"}],
        policies=[{"name": "policies/a"}],
        schemas=[{"name": "schemas/a"}],
        consumers=[{"name": "consumers/a", "roles": [""]}],
    )
    assert list(found) == [
        "upstreams[1].discovery",
        "routes[0].timeout",
        "routes[1].action",
        "policies[0].kind",
        "consumers[0].roles[0]",
        "schemas[0].source",
    ]


def test_names_are_checked_before_anything_else() -> None:
    config = json_format.ParseDict(
        {"routes": [ROUTE, ROUTE, {}, {"name": "a"}, {"name": "upstreams/a"}, {"name": "routes/A"}]},
        config_pb2.GatewayConfig(),
    )
    gathered = gather(config)
    assert {problem.path: problem.description for problem in gathered.problems} == {
        "routes[1].name": "`routes/a` is in routes[0] already",
        "routes[2].name": "a name is missing, as in `routes/example`",
        "routes[3].name": "`a` is no name of this kind; it begins with `routes/`, as in `routes/a`",
        "routes[4].name": "`upstreams/a` is no name of this kind; it has to begin with `routes/`",
        "routes[5].name": "`A` does not fit: the part after `routes/` has to be 1 to 63 lower-case letters, digits and "
        "hyphens, beginning with a letter and not ending with a hyphen",
    }
    assert [message.name for message in gathered.resources] == ["routes/a"]


def test_everything_an_upstream_may_hold_reaches_the_model() -> None:
    found = convert_dict(
        upstreams=[
            {
                "name": "upstreams/a",
                "static": {
                    "endpoints": [
                        {"address": "127.0.0.1:1", "weight": 2, "zone": "z"},
                        {"address": "[::1]:2"},
                        {"address": "unix:/run/a.sock"},
                        {"address": "back-end_1.internal:65535"},
                    ]
                },
                "roundRobin": {},
                "protocol": "PROTOCOL_GRPC",
                "connection": {
                    "connectionsPerEndpoint": 64,
                    "connectTimeout": "1s",
                    "maxBackoff": "3s",
                    "keepaliveTime": "4s",
                    "keepaliveTimeout": "5s",
                    "warmUp": False,
                },
                "timeout": "6s",
                "compression": "COMPRESSION_GZIP",
                "authority": "a.example:443",
                "tls": {"serverName": "a.example"},
                "reflection": {"disabled": True, "refreshInterval": "7s"},
            }
        ]
    ).upstreams["upstreams/a"]
    assert isinstance(found.discovery, StaticDiscovery)
    assert [(e.address, e.weight, e.zone) for e in found.discovery.endpoints] == [
        ("127.0.0.1:1", 2, "z"),
        ("[::1]:2", 1, ""),
        ("unix:/run/a.sock", 1, ""),
        ("back-end_1.internal:65535", 1, ""),
    ]
    connection = found.connection
    assert (connection.connections_per_endpoint, connection.connect_timeout, connection.max_backoff) == (64, 1.0, 3.0)
    assert (connection.keepalive_time, connection.keepalive_timeout, connection.warm_up) == (4.0, 5.0, False)
    assert (found.timeout, found.compression, found.authority) == (6.0, Compression.GZIP, "a.example:443")
    assert found.tls is not None
    assert found.tls.server_name == "a.example"
    assert (found.reflection, found.reflection_interval) == (False, 7.0)


def test_what_is_not_set_has_its_documented_default() -> None:
    found = convert_dict(upstreams=[UPSTREAM]).upstreams["upstreams/a"]
    assert (found.tls, found.timeout, found.schema, found.reflection) == (None, None, "", True)
    assert (found.connection.connections_per_endpoint, found.connection.keepalive_time) == (1, None)
    assert found.connection.warm_up
    assert found.reflection_interval == 60.0


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "an address is missing"),
        ("127.0.0.1", "has no port"),
        ("host", "has no port"),
        (":50051", "has no host; write `0.0.0.0:50051`"),
        ("host:", "is no port"),
        ("host:0", "a number from 1 to 65535"),
        ("host:65536", "is no port"),
        ("host:+1", "is no port"),
        ("host:٣", "is no port"),
        ("host:http", "is no port"),
        ("::1", "goes in brackets"),
        ("fe80::1:50051", "goes in brackets"),
        ("[::1]", "has no port"),
        ("[::x]:1", "is no host name and no IP address"),
        ("300.1.1.1:1", "is no host name"),
        ("ho st:1", "is no host name"),
        ("http://a:1", "brackets"),
        ("unix:", "has to begin with `/`"),
        ("unix:a", "has to begin with `/`"),
        ("unix:/" + "a" * 107, "at most 107 bytes"),
    ],
)
def test_a_wrong_address_says_why(address: str, words: str) -> None:
    found = refused_upstream(static={"endpoints": [{"address": address}]})
    assert words in found["static.endpoints[0].address"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"static": {}}, "static.endpoints", "an endpoint is missing"),
        ({"static": {"endpoints": [{"address": "a:1"}] * 2}}, "static.endpoints[1].address", "already"),
        ({"static": {"endpoints": [{"address": "a:1", "weight": 0}]}}, "static.endpoints[0].weight", "from 1"),
        ({"connection": {"connectionsPerEndpoint": 65}}, "connection.connections_per_endpoint", "at most 64"),
        ({"connection": {"connectTimeout": "0s"}}, "connection.connect_timeout", "longer than 0"),
        ({"connection": {"maxBackoff": "0.01s"}}, "connection.max_backoff", "at least 0.1s"),
        ({"connection": {"keepaliveTime": "0.1s"}}, "connection.keepalive_time", "at least 1s"),
        ({"connection": {"keepaliveTimeout": "1s"}}, "connection.keepalive_timeout", "needs `keepalive_time`"),
        ({"timeout": "0s"}, "timeout", "longer than 0"),
        ({"authority": "a b"}, "authority", "no host name"),
        ({"authority": "a:0"}, "authority", "no port"),
        ({"reflection": {"refreshInterval": "0s"}}, "reflection.refresh_interval", "longer than 0"),
        ({"schema": "schemas/a"}, "schema", "there is no `schemas/a`"),
        ({"tls": {"caFile": "/none"}}, "tls.ca_file", "cannot be read: No such file"),
        ({"tls": {"certFile": "/none"}}, "tls.key_file", "is needed"),
        ({"tls": {"keyFile": "/none"}}, "tls.cert_file", "is needed"),
        ({"tls": {"serverName": "a:1"}}, "tls.server_name", "has a port"),
    ],
)
def test_what_is_wrong_with_an_upstream_is_said_of_its_field(fields: dict[str, Any], field: str, words: str) -> None:
    assert words in refused_upstream(**fields)[field]


@pytest.mark.parametrize("field", ["protocol", "compression"])
def test_an_unknown_number_of_an_enum_is_refused(field: str) -> None:
    upstream = upstream_pb2.Upstream(name="upstreams/a")
    upstream.static.endpoints.add(address="a:1")
    setattr(upstream, field, 99)
    with pytest.raises(InvalidRequest, match=f"{field}: 99 is not known"):
        convert(Resources([upstream]), revision=1)


class Files:
    """Certificates and keys, good and bad."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        mine, other = authority.issue_cert("a.example"), authority.issue_cert("b.example")
        self.ca, self.cert, self.key, self.other_key = (
            str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem", "other.pem")
        )
        authority.cert_pem.write_to_path(self.ca)
        mine.cert_chain_pems[0].write_to_path(self.cert)
        mine.private_key_pem.write_to_path(self.key)
        other.private_key_pem.write_to_path(self.other_key)
        self.junk, self.encrypted = str(folder / "junk.pem"), str(folder / "encrypted.pem")
        Path(self.junk).write_text("SECRET")
        from cryptography.hazmat.primitives import serialization

        key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
        Path(self.encrypted).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"password"),
            )
        )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


def test_certificates_that_fit_are_taken(files: Files) -> None:
    tls = {"caFile": files.ca, "certFile": files.cert, "keyFile": files.key}
    found = convert_dict(upstreams=[{**UPSTREAM, "tls": tls}]).upstreams["upstreams/a"].tls
    assert found is not None
    assert (found.ca_file, found.cert_file, found.key_file) == (files.ca, files.cert, files.key)


@pytest.mark.parametrize(
    ("ca", "cert", "key", "field", "words"),
    [
        ("junk", "", "", "tls.ca_file", "holds no certificate"),
        ("key", "", "", "tls.ca_file", "holds no certificate"),
        ("", "junk", "key", "tls.cert_file", "holds no certificate"),
        ("", "cert", "junk", "tls.key_file", "holds no private key"),
        ("", "cert", "cert", "tls.key_file", "holds no private key"),
        ("", "cert", "other_key", "tls.key_file", "does not belong to the certificate"),
        ("", "cert", "encrypted", "tls.key_file", "encrypted"),
    ],
)
def test_files_that_do_not_fit_are_named_by_field_and_never_quoted(
    files: Files, ca: str, cert: str, key: str, field: str, words: str
) -> None:
    tls = {name: getattr(files, file) for name, file in (("caFile", ca), ("certFile", cert), ("keyFile", key)) if file}
    found = refused_upstream(tls=tls)
    assert list(found) == [field]
    assert words in found[field]
    assert "SECRET" not in found[field]
    assert "BEGIN" not in found[field]


def test_header_changes_are_in_order_and_in_lower_case() -> None:
    change = {"remove": ["X-Old"], "set": {"X-B": "2", "x-a": "1", "x-c-bin": "AQI="}, "append": {"x-d": ""}}
    policy = convert_dict(policies=[{"name": "policies/a", "header": {"request": change}}]).policies["policies/a"]
    assert isinstance(policy.kind, HeaderPolicy)
    assert policy.kind.request == HeaderChange(
        remove=frozenset({"x-old"}), set=(("x-b", "2"), ("x-a", "1"), ("x-c-bin", b"\1\2")), append=(("x-d", ""),)
    )
    assert policy.kind.response == HeaderChange()
    assert not policy.everywhere


@pytest.mark.parametrize(
    "name", ["grpc-timeout", "GRPC-Status", ":path", "Connection", "te", "content-type", "host", "a b", "ä", ""]
)
def test_headers_of_the_protocol_cannot_be_changed(name: str) -> None:
    assert list(refused_header(remove=[name])) == ["remove[0]"]
    assert list(refused_header(set={name: "x"})) == [f'set["{name}"]']
    assert list(refused_header(append={name: "x"})) == [f'append["{name}"]']


@pytest.mark.parametrize("value", ["sécret", "secret\n", " secret", "secret\0"])
def test_a_header_value_is_visible_ascii_and_never_quoted(value: str) -> None:
    found = refused_header(set={"authorization": value})
    assert "secret" not in str(found).replace('set["authorization"]', "")


def test_one_name_in_different_letters_is_refused() -> None:
    assert len(refused_header(set={"X-A": "1", "x-a": "2"})) == 1


def test_a_binary_value_is_in_base64() -> None:
    assert "base64" in refused_header(set={"x-bin": "not base64!"})['set["x-bin"]']


def test_a_consumer_has_roles_permissions_and_policies() -> None:
    found = convert_dict(
        policies=[{"name": "policies/a", "header": {}}],
        consumers=[
            {
                "name": "consumers/a",
                "disabled": True,
                "roles": ["r"],
                "permissions": ["p"],
                "policies": ["policies/a"],
            }
        ],
    ).consumers["consumers/a"]
    assert (found.disabled, set(found.roles), set(found.permissions)) == (True, {"r"}, {"p"})
    assert found.policies == ("policies/a",)


NOT_YET = [(entry.message.DESCRIPTOR.full_name, entry.field) for entry in availability.NOT_YET]


def test_every_entry_of_the_list_names_a_field_once() -> None:
    assert len(set(NOT_YET)) == len(NOT_YET)
    for entry in availability.NOT_YET:
        assert entry.field in entry.message.DESCRIPTOR.fields_by_name


def test_every_policy_that_is_not_built_is_refused() -> None:
    from gateway.v1 import policy_pb2

    for field in policy_pb2.Policy.DESCRIPTOR.oneofs_by_name["kind"].fields:
        policy = policy_pb2.Policy(name="policies/a")
        getattr(policy, field.name).SetInParent()
        if field.name == "cors":
            policy.cors.allow_origins.append("https://a.example.com")
        if field.name == "hedge":
            policy.hedge.delay.seconds = 1
        if field.name == "timeout":
            policy.timeout.timeout.seconds = 1
        if field.name in ("cors", "header", "retry", "hedge", "timeout"):
            convert(Resources([policy]), revision=1)
            continue
        with pytest.raises(InvalidRequest) as caught:
            convert(Resources([policy]), revision=1)
        assert [violation.field for violation in caught.value.violations] == [f"policies/a.{field.name}"]


def test_what_else_is_not_there_yet_is_refused() -> None:
    found = refused(
        policies=[{"name": "policies/a", "header": {}, "dryRun": True}],
        consumers=[{"name": "consumers/a", "subjects": ["s"], "apiKeys": [{"name": "k"}]}],
    )
    assert list(found) == ["policies[0].dry_run", "consumers[0].subjects", "consumers[0].api_keys"]
    assert all(description.endswith(availability.SUFFIX) for description in found.values())


def test_references_within_what_is_not_available_are_not_complained_of() -> None:
    policies = [{"name": "policies/a", "mirror": {"upstream": "upstreams/none"}}]
    assert list(refused(policies=policies)) == ["policies[0].mirror"]


def learning(schema: str, upstream: str) -> dict[str, Any]:
    return {"name": schema, "reflectionUpstream": upstream}


def test_a_schema_may_be_learnt_from_another_upstream() -> None:
    convert_dict(
        upstreams=[UPSTREAM, {**UPSTREAM, "name": "upstreams/b", "schema": "schemas/a"}],
        schemas=[learning("schemas/a", "upstreams/a")],
    )


def test_an_upstream_whose_schema_is_learnt_from_itself_is_refused() -> None:
    a = {**UPSTREAM, "schema": "schemas/a"}
    b = {**UPSTREAM, "name": "upstreams/b", "schema": "schemas/b"}
    found = refused(upstreams=[a], schemas=[learning("schemas/a", "upstreams/a")])
    assert "upstreams/a → schemas/a → upstreams/a is a circle" in found["upstreams[0].schema"]
    found = refused(
        upstreams=[a, b, {**UPSTREAM, "name": "upstreams/c", "schema": "schemas/a"}],
        schemas=[learning("schemas/a", "upstreams/b"), learning("schemas/b", "upstreams/a")],
    )
    assert list(found) == ["upstreams[0].schema", "upstreams[1].schema"]
