"""The part of a configuration file that is read at the start."""

from __future__ import annotations

import re
from typing import Any

import pytest
from google.protobuf import json_format

from edge.control.conversion.availability import SUFFIX
from edge.control.conversion.server import convert_server
from edge.model.errors import InvalidRequest
from edge.model.settings import Engine, Limits, ListenerProtocol, ListenerSettings, ServerSettings
from gateway.v1 import config_pb2


def settings(**config: Any) -> ServerSettings:
    return convert_server(json_format.ParseDict(config, config_pb2.GatewayConfig()))


def refused(**config: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        settings(**config)
    return {violation.field: violation.description for violation in caught.value.violations}


def test_an_empty_configuration_has_the_defaults() -> None:
    assert settings() == ServerSettings()
    assert (
        settings(server={}, store={"memory": {}}, observability={"log": {}, "metrics": {}, "tracing": {}}) == settings()
    )


def test_everything_reaches_the_model() -> None:
    assert settings(
        server={
            "listeners": [
                {"address": "[::]:0", "protocol": "PROTOCOL_GRPC"},
                {"address": "unix:/run/edge.sock"},
                {
                    "name": "third",
                    "address": "0.0.0.0:0",
                    "protocol": "PROTOCOL_HTTP",
                    "proxyProtocolFrom": ["10.0.0.0/8", "192.0.2.1"],
                },
            ],
            "admin": {"address": "127.0.0.1:0", "httpAddress": "127.0.0.1:0"},
            "engine": "ENGINE_WIRE",
            "workers": 1,
            "drainTimeout": "0s",
            "limits": {
                "maxMessageBytes": 1,
                "maxMetadataBytes": 2,
                "maxConcurrentStreams": 3,
                "maxConcurrentCalls": 4,
                "maxConnectionAge": "5s",
                "maxConnectionIdle": "6s",
                "connectionGrace": "0s",
                "stallTimeout": "7s",
                "maxConnections": 8,
                "maxConnectionsPerPeer": 9,
                "maxHeaders": 16,
                "streamBufferBytes": 65536,
                "connectionBufferBytes": 65537,
                "handshakeTimeout": "0.5s",
                "maxPrematureResets": 10,
                "maxControlFrames": 11,
            },
            "trustedProxies": ["10.0.0.0/8", "fd00::/8", "192.0.2.1"],
            "responseCompression": {"level": "LEVEL_HIGH", "minMessageBytes": 7},
        },
        observability={"log": {"level": "LEVEL_DEBUG", "format": "FORMAT_JSON", "access": True}},
    ) == ServerSettings(
        listeners=(
            ListenerSettings(name="traffic", address="[::]:0", protocol=ListenerProtocol.GRPC),
            ListenerSettings(name="traffic-2", address="unix:/run/edge.sock"),
            ListenerSettings(
                name="third",
                address="0.0.0.0:0",
                protocol=ListenerProtocol.HTTP,
                proxy_protocol_from=("10.0.0.0/8", "192.0.2.1/32"),
            ),
        ),
        admin_address="127.0.0.1:0",
        admin_http_address="127.0.0.1:0",
        drain_timeout=0.0,
        limits=Limits(
            max_message_bytes=1,
            max_metadata_bytes=2,
            max_concurrent_streams=3,
            max_concurrent_calls=4,
            max_connection_age=5.0,
            max_connection_idle=6.0,
            connection_grace=0.0,
            stall_timeout=7.0,
            max_connections=8,
            max_connections_per_peer=9,
            max_headers=16,
            stream_buffer_bytes=65536,
            connection_buffer_bytes=65537,
            handshake_timeout=0.5,
            max_premature_resets=10,
            max_control_frames=11,
        ),
        trusted_proxies=("10.0.0.0/8", "fd00::/8", "192.0.2.1/32"),
        compression_level=3,
        compression_min_bytes=7,
        log_level="DEBUG",
        log_format="json",
        access_log=True,
    )


def test_compression_is_low_when_it_is_only_switched_on() -> None:
    found = settings(server={"responseCompression": {}})
    assert (found.compression_level, found.compression_min_bytes) == (1, 1024)


def test_the_api_can_be_switched_off() -> None:
    assert settings(server={"admin": {"disabled": True}}).admin_address == ""
    found = settings(server={"engine": "ENGINE_GRPC_AIO", "admin": {"disabled": True}})
    assert (found.admin_address, found.admin_http_address) == ("", "")


def test_grpc_aio_has_a_port_for_each_protocol() -> None:
    found = settings(server={"engine": "ENGINE_GRPC_AIO"})
    assert found == ServerSettings(
        engine=Engine.GRPC_AIO,
        listeners=(
            ListenerSettings(name="traffic", address="0.0.0.0:8080", protocol=ListenerProtocol.GRPC),
            ListenerSettings(name="http", address="0.0.0.0:8081", protocol=ListenerProtocol.HTTP),
        ),
        admin_http_address="127.0.0.1:9091",
    )
    ours = {"engine": "ENGINE_GRPC_AIO", "listeners": [{"address": "a:1"}], "admin": {"httpAddress": "a:2"}}
    found = settings(server=ours)
    assert found.listeners == (ListenerSettings(name="traffic", address="a:1"),)
    assert (found.admin_address, found.admin_http_address) == ("127.0.0.1:9090", "a:2")


def test_what_grpc_aio_cannot_do_is_refused_once_each() -> None:
    tls = {"certificates": [{"certFile": "none", "keyFile": "none"}]}
    limits = {
        "maxConnections": 2**32 - 1,
        "maxConnectionsPerPeer": 1,
        "maxHeaders": 1,
        "streamBufferBytes": 2**31 - 1,
        "connectionBufferBytes": 65535,
        "handshakeTimeout": "-1s",
        "maxPrematureResets": 1,
        "maxControlFrames": 1,
    }
    found = refused(
        server={
            "engine": "ENGINE_GRPC_AIO",
            "tls": tls,
            "listeners": [{"address": "a:1", "tls": tls, "proxyProtocolFrom": ["10.0.0.0/8"]}],
            "admin": {"tls": tls},
            "limits": limits,
        }
    )
    fields = ["tls", "listeners[0].tls", "listeners[0].proxy_protocol_from", "admin.tls", "limits.handshake_timeout"]
    counts = [re.sub("([A-Z])", r"_\1", name).lower() for name in limits if name != "handshakeTimeout"]
    assert list(found) == [f"server.{field}" for field in [*fields, *(f"limits.{name}" for name in counts)]]
    for words in found.values():
        assert words.startswith("`server.engine: GRPC_AIO` cannot ")
        assert words.endswith("; leave it out or take the engine WIRE")


@pytest.mark.parametrize(
    ("server", "field", "words"),
    [
        ({"listeners": [{}]}, "listeners[0].address", "is missing"),
        ({"listeners": [{"address": "a:99999"}]}, "listeners[0].address", "from 0 to 65535"),
        ({"listeners": [{"name": "A", "address": "a:1"}]}, "listeners[0].name", "lower-case"),
        ({"listeners": [{"address": "a:1"}, {"address": "a:1"}]}, "listeners[1].address", "already"),
        (
            {"listeners": [{"name": "traffic-2", "address": "a:1"}, {"address": "a:2"}]},
            "listeners[1].name",
            "is in server.listeners[0].name already",
        ),
        ({"listeners": [{"address": "127.0.0.1:9090"}]}, "admin.address", "already"),
        ({"admin": {"address": "a"}}, "admin.address", "no port"),
        ({"drainTimeout": "-1s"}, "drain_timeout", "at least 0s"),
        ({"limits": {"maxMessageBytes": 2**31}}, "limits.max_message_bytes", "at most"),
        ({"limits": {"maxMetadataBytes": 2**31}}, "limits.max_metadata_bytes", "at most"),
        ({"limits": {"maxConcurrentStreams": 2**31}}, "limits.max_concurrent_streams", "at most"),
        ({"limits": {"maxConnectionAge": "0s"}}, "limits.max_connection_age", "longer than 0"),
        ({"trustedProxies": ["10.0.0.1/8"]}, "trusted_proxies[0]", "did you mean `10.0.0.0/8`?"),
        ({"trustedProxies": ["proxy"]}, "trusted_proxies[0]", "no network"),
        ({"workers": 2}, "workers", SUFFIX),
        ({"engine": 7}, "engine", "7 is not known"),
        (
            {"listeners": [{"address": "a:1", "proxyProtocolFrom": ["10.0.0.1/8"]}]},
            "listeners[0].proxy_protocol_from[0]",
            "did you mean `10.0.0.0/8`?",
        ),
        (
            {"listeners": [{"address": "unix:/a", "proxyProtocolFrom": ["10.0.0.0/8"]}]},
            "listeners[0].proxy_protocol_from",
            "has no address",
        ),
        ({"admin": {"address": "0.0.0.0:8080"}}, "admin.address", "is in the default of server.listeners already"),
        ({"limits": {"maxConnections": 1_000_001}}, "limits.max_connections", "from 1 to 1000000"),
        ({"limits": {"maxConnectionsPerPeer": 2**32 - 1}}, "limits.max_connections_per_peer", "from 1 to 1000000"),
        ({"limits": {"maxHeaders": 15}}, "limits.max_headers", "from 16 to 10000, and is 15"),
        ({"limits": {"maxHeaders": 10_001}}, "limits.max_headers", "from 16 to 10000"),
        ({"limits": {"streamBufferBytes": 16_383}}, "limits.stream_buffer_bytes", "from 16384 to 2147483647"),
        ({"limits": {"connectionBufferBytes": 65_534}}, "limits.connection_buffer_bytes", "from 65535 to 2147483647"),
        ({"limits": {"connectionBufferBytes": 2**31}}, "limits.connection_buffer_bytes", "from 65535 to 2147483647"),
        ({"limits": {"connectionBufferBytes": 65_535}}, "limits.connection_buffer_bytes", "have 262144 bytes waiting"),
        ({"limits": {"streamBufferBytes": 2**25}}, "limits.stream_buffer_bytes", "only 16777216"),
        ({"limits": {"handshakeTimeout": "0.01s"}}, "limits.handshake_timeout", "at least 0.1s"),
        ({"limits": {"handshakeTimeout": "7200s"}}, "limits.handshake_timeout", "at most 3600s"),
        ({"limits": {"maxPrematureResets": 1_000_001}}, "limits.max_premature_resets", "from 1 to 1000000"),
        ({"limits": {"maxControlFrames": 9}}, "limits.max_control_frames", "from 10 to 1000000"),
    ],
)
def test_what_is_wrong_with_the_server_is_said_of_its_field(server: dict[str, Any], field: str, words: str) -> None:
    found = refused(server=server)
    assert list(found) == [f"server.{field}"]
    assert words in found[f"server.{field}"]


def test_stores_metrics_and_traces_are_not_available_yet() -> None:
    found = refused(
        store={"sqlite": {"path": "a"}},
        observability={
            "log": {"accessFields": ["a"], "accessSamplePercent": 1},
            "metrics": {"disabled": True, "buckets": [1]},
            "tracing": {"otlpEndpoint": "a", "samplePercent": 1, "serviceName": "a"},
        },
    )
    assert list(found) == [
        "store.sqlite",
        "observability.log.access_fields",
        "observability.log.access_sample_percent",
        "observability.metrics.disabled",
        "observability.metrics.buckets",
        "observability.tracing.otlp_endpoint",
        "observability.tracing.sample_percent",
        "observability.tracing.service_name",
    ]
    assert list(refused(store={"redis": {"url": "redis://:secret@a"}})) == ["store.redis"]


def test_violations_have_their_place_in_the_file() -> None:
    config = config_pb2.GatewayConfig()
    config.server.trusted_proxies.append("x")
    with pytest.raises(InvalidRequest) as caught:
        convert_server(config, lambda path: "edge.yaml:3:5" if path == "server.trusted_proxies" else "")
    assert caught.value.violations[0].source == "edge.yaml:3:5"
