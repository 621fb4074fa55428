"""The part of a configuration file that is read at the start."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from edge.control.conversion.availability import SUFFIX
from edge.control.conversion.server import convert_server
from edge.model.errors import InvalidRequest
from edge.model.settings import Limits, ListenerProtocol, ListenerSettings, ServerSettings
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
                {"name": "third", "address": "0.0.0.0:0", "protocol": "PROTOCOL_HTTP"},
            ],
            "admin": {"address": "127.0.0.1:0"},
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
            },
            "trustedProxies": ["10.0.0.0/8", "fd00::/8", "192.0.2.1"],
            "responseCompression": {"level": "LEVEL_HIGH", "minMessageBytes": 7},
        },
        observability={"log": {"level": "LEVEL_DEBUG", "format": "FORMAT_JSON", "access": True}},
    ) == ServerSettings(
        listeners=(
            ListenerSettings(name="traffic", address="[::]:0", protocol=ListenerProtocol.GRPC),
            ListenerSettings(name="traffic-2", address="unix:/run/edge.sock"),
            ListenerSettings(name="third", address="0.0.0.0:0", protocol=ListenerProtocol.HTTP),
        ),
        admin_address="127.0.0.1:0",
        drain_timeout=0.0,
        limits=Limits(
            max_message_bytes=1,
            max_metadata_bytes=2,
            max_concurrent_streams=3,
            max_concurrent_calls=4,
            max_connection_age=5.0,
            max_connection_idle=6.0,
            connection_grace=0.0,
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
        ({"listeners": [{"address": "a:1", "tls": {}}]}, "listeners[0].tls", SUFFIX),
        (
            {"listeners": [{"address": "a:1", "proxyProtocolFrom": ["10.0.0.0/8"]}]},
            "listeners[0].proxy_protocol_from",
            SUFFIX,
        ),
        ({"admin": {"tls": {}}}, "admin.tls", SUFFIX),
        ({"limits": {"maxConnections": 1}}, "limits.max_connections", SUFFIX),
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
