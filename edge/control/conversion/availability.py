"""What the API has and this version of the gateway does not do yet.

Accepting a policy that is not enforced would be dangerous, so such fields are refused. When one is built, its line
here goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from edge.control.conversion.scope import Scope
from gateway.v1 import consumer_pb2, policy_pb2, server_pb2, upstream_pb2


@dataclass(frozen=True, slots=True)
class NotYet:
    """One field that is refused when it is set."""

    message: type[Message]
    """The message that has the field."""

    field: str
    """Its name."""

    words: str
    """What it stands for, as the subject of a sentence."""

    when: Callable[[Any], bool] | None = None
    """Which values are refused. None refuses every value."""


NOT_YET = (
    NotYet(upstream_pb2.ConsistentHash, "claim", "hashing by a claim"),
    NotYet(upstream_pb2.ConsistentHash, "consumer", "hashing by consumer"),
    NotYet(policy_pb2.Policy, "limits", "a limits policy"),
    NotYet(policy_pb2.Policy, "authentication", "an authentication policy"),
    NotYet(policy_pb2.Policy, "authorization", "an authorization policy"),
    NotYet(policy_pb2.Policy, "external_authorization", "an external authorization policy"),
    NotYet(policy_pb2.Policy, "rate_limit", "a rate limit policy"),
    NotYet(policy_pb2.Policy, "concurrency", "a concurrency policy"),
    NotYet(policy_pb2.Policy, "stream_limit", "a stream limit policy"),
    NotYet(policy_pb2.Policy, "validation", "a validation policy"),
    NotYet(policy_pb2.Policy, "cache", "a cache policy"),
    NotYet(policy_pb2.Policy, "rewrite", "a rewrite policy"),
    NotYet(policy_pb2.Policy, "body", "a body policy"),
    NotYet(policy_pb2.Policy, "mirror", "a mirror policy"),
    NotYet(policy_pb2.Policy, "fault", "a fault policy"),
    NotYet(policy_pb2.Policy, "extension", "an extension policy"),
    NotYet(policy_pb2.Policy, "dry_run", "a dry run"),
    NotYet(consumer_pb2.Consumer, "subjects", "recognizing a consumer by token or certificate"),
    NotYet(consumer_pb2.Consumer, "api_keys", "an API key"),
    NotYet(server_pb2.ServerConfig, "workers", "more than one worker", lambda value: value > 1),
    NotYet(server_pb2.StoreConfig, "sqlite", "a SQLite store"),
    NotYet(server_pb2.StoreConfig, "redis", "a Redis store"),
    NotYet(server_pb2.ObservabilityConfig.Log, "access_fields", "a choice of access log fields"),
    NotYet(server_pb2.ObservabilityConfig.Log, "access_sample_percent", "sampling of the access log"),
    NotYet(server_pb2.ObservabilityConfig.Metrics, "disabled", "a setting of metrics"),
    NotYet(server_pb2.ObservabilityConfig.Metrics, "buckets", "a setting of metrics"),
    NotYet(server_pb2.ObservabilityConfig.Tracing, "otlp_endpoint", "tracing"),
    NotYet(server_pb2.ObservabilityConfig.Tracing, "sample_percent", "tracing"),
    NotYet(server_pb2.ObservabilityConfig.Tracing, "service_name", "tracing"),
)
"""Everything that is refused."""

SUFFIX = "is not available in this version yet"
"""What every refusal of this kind ends with."""

_INDEX: Mapping[tuple[str, str], NotYet] = {
    (str(entry.message.DESCRIPTOR.full_name), entry.field): entry for entry in NOT_YET
}


def is_not_yet(message: type[Message], field: str) -> bool:
    """Whether a field is in the list."""
    return (message.DESCRIPTOR.full_name, field) in _INDEX


def check_available(message: Message, scope: Scope) -> None:
    """Refuse every field of the message, at any depth, that this version does nothing with."""
    for field, value in message.ListFields():
        entry = _INDEX.get((message.DESCRIPTOR.full_name, field.name))
        if entry is not None:
            if entry.when is None or entry.when(value):
                scope.field(field.name).refuse(f"{entry.words} {SUFFIX}")
            continue
        nested = field.message_type
        if nested is None or nested.GetOptions().map_entry or nested.file.package != message.DESCRIPTOR.file.package:
            continue
        if field.is_repeated:
            for index, item in enumerate(value):
                check_available(item, scope.field(field.name).index(index))
        else:
            check_available(value, scope.field(field.name))


def refused(problems: Scope) -> frozenset[str]:
    """Return the paths that were refused for not being available, so that nothing else is said of them."""
    return frozenset(problem.path for problem in problems.problems if problem.description.endswith(SUFFIX))
