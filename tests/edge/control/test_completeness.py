"""Nothing of a configuration is overlooked: each field reaches the model, is refused, or is for people only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

from edge.control.conversion.availability import is_not_yet
from edge.control.kinds import KINDS
from gateway.v1 import config_pb2

FOR_PEOPLE = {"display_name", "labels"}
LIFECYCLE = {"origin", "create_time", "update_time", "etag"}
LEARNT = {"services", "hash", "refresh_time", "refresh_error"}

READ = {
    "upstream": "name protocol static dns registry round_robin weighted_round_robin least_request peak_ewma "
    "consistent_hash random load_balancing tls connection timeout compression authority schema reflection "
    "outlier_detection circuit_breaker limits kubernetes consul health_check",
    "route": "name matches priority policies forward direct_response redirect transcoding timeout stream_timeout "
    "stream_idle_timeout max_request_message_bytes max_response_message_bytes",
    "policy": "name cors header retry hedge timeout global",
    "RetryPolicy": "max_attempts retryable_codes initial_backoff max_backoff backoff_multiplier per_try_timeout "
    "budget_percent buffer_bytes any_method",
    "HedgePolicy": "max_attempts delay",
    "TimeoutPolicy": "timeout stream_idle_timeout",
    "consumer": "name disabled roles permissions policies",
    "schema": "name file_descriptor_set file reflection_upstream",
    "StaticDiscovery": "endpoints",
    "DnsDiscovery": "hostname port record_type refresh_interval",
    "RegistryDiscovery": "max_ttl",
    "KubernetesDiscovery": "namespace service port_name port_number kubeconfig context",
    "StaticEndpoint": "address weight zone",
    "UpstreamTls": "ca_file cert_file key_file server_name",
    "HealthCheck": "interval timeout unhealthy_threshold healthy_threshold grpc http tcp",
    "GrpcProbe": "services",
    "HttpProbe": "path statuses",
    "Connection": "connections_per_endpoint connect_timeout max_backoff keepalive_time keepalive_timeout max_age "
    "warm_up",
    "Reflection": "disabled refresh_interval",
    "LeastRequest": "choice_count full_scan",
    "PeakEwma": "default_rtt decay",
    "ConsistentHash": "header peer_address path_parameter algorithm bounded_load_percent",
    "LoadBalancingOptions": "zone zone_spill_over_percent slow_start panic_threshold_percent",
    "OutlierDetection": "consecutive_failures failure_percent latency_factor interval base_ejection_duration "
    "max_ejection_percent",
    "CircuitBreaker": "failure_threshold failure_percent window minimum_calls open_duration half_open_calls "
    "success_threshold per_endpoint",
    "ConcurrencyLimits": "max_calls max_pending_calls max_calls_per_endpoint",
    "RouteMatch": "hosts grpc http headers query",
    "GrpcMatch": "service method",
    "HttpMatch": "path methods",
    "HeaderMatch": "name exact prefix present",
    "QueryMatch": "name exact present",
    "ForwardAction": "upstreams",
    "WeightedUpstream": "upstream weight",
    "DirectResponseAction": "code message",
    "HeaderPolicy": "request response",
    "CorsPolicy": "allow_origins allow_methods allow_headers expose_headers allow_credentials max_age",
    "RedirectAction": "host path https status",
    "Transcoding": "rules rpc_paths strictness json streams web_socket disabled_protocols openapi "
    "ignored_query_parameters disable_update_mask",
    "JsonOptions": "proto_field_names print_defaults enums_as_numbers strip_enum_prefix",
    "StreamOptions": "heartbeat_interval",
    "WebSocketOptions": "idle_timeout ping_interval max_message_bytes",
    "HeaderChange": "remove set append",
    "GatewayConfig": "server store observability upstreams routes policies consumers schemas",
    "ServerConfig": "listeners admin workers drain_timeout limits trusted_proxies response_compression engine tls "
    "registration",
    "Registration": "consul",
    "ConsulRegistration": "address service tags meta advertise_host listener ttl deregister_after token_file",
    "ConsulDiscovery": "address service tags datacenter token_file",
    "ResponseCompression": "level min_message_bytes",
    "Listener": "name address protocol tls proxy_protocol_from",
    "ListenerTls": "certificates client_ca_file client_certificate",
    "Certificate": "cert_file key_file",
    "AdminListener": "address tls disabled http_address",
    "Limits": "max_message_bytes max_metadata_bytes max_concurrent_streams max_concurrent_calls max_connection_age "
    "max_connection_idle connection_grace stall_timeout max_connections max_connections_per_peer max_headers "
    "stream_buffer_bytes connection_buffer_bytes handshake_timeout max_premature_resets max_control_frames",
    "StoreConfig": "memory",
    "ObservabilityConfig": "log metrics tracing",
    "Log": "level format access",
}
"""What the conversion reads. A field that is added to the protos has to be read, or refused in `NOT_YET`."""


def fields(descriptor: Any, seen: set[str]) -> Iterator[FieldDescriptor]:
    """Yield every field that can be set, down to what is refused as a whole."""
    if descriptor.full_name in seen:
        return
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        yield field
        nested = field.message_type
        if nested is None or nested.file.package != "gateway.v1" or nested.GetOptions().map_entry:
            continue
        refused = is_not_yet(descriptor._concrete_class, field.name)
        if not refused and nested.name != "Origin":
            yield from fields(nested, seen)


ALL = list(fields(config_pb2.GatewayConfig.DESCRIPTOR, set()))


@pytest.mark.parametrize("field", [pytest.param(field, id=field.full_name) for field in ALL])
def test_a_field_is_read_or_refused(field: Any) -> None:
    owner = field.containing_type
    kind = {kind.message.DESCRIPTOR.full_name: kind.singular for kind in KINDS.values()}.get(owner.full_name)
    if kind and field.name in FOR_PEOPLE | LIFECYCLE | LEARNT:
        return
    read = field.name in READ.get(kind or owner.name, "").split()
    assert read or is_not_yet(owner._concrete_class, field.name)


def test_the_list_of_what_is_read_has_nothing_that_is_not_there() -> None:
    there: dict[str, set[str]] = {}
    singulars = {kind.message.DESCRIPTOR.full_name: kind.singular for kind in KINDS.values()}
    for field in ALL:
        owner: Any = field.containing_type
        there.setdefault(singulars.get(owner.full_name, owner.name), set()).add(field.name)
    for owner_name, names in READ.items():
        assert set(names.split()) <= there[owner_name]
