"""Policies and consumers: proto → model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge.control.conversion import checks
from edge.control.conversion.policies_resilience import convert_hedge, convert_retry, convert_timeout
from edge.control.conversion.scope import Scope
from edge.model.config import Consumer, CorsPolicy, HeaderChange, HeaderPolicy, Policy
from edge.model.resilience import HedgeRule, RetryRule, TimeoutRule
from gateway.v1 import consumer_pb2, policy_pb2, policy_transform_pb2

_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.*-]*://[A-Za-z0-9_.*\-\[\]:]+", re.IGNORECASE)
_VERB = re.compile(r"\*|[A-Z][A-Z-]{0,31}")
_MAX_AGE = 600.0


def convert_policy(policy: policy_pb2.Policy, scope: Scope) -> Policy:
    """Return the policy for the model. It means something only when nothing was refused."""
    kind = policy.WhichOneof("kind")
    if kind is None:
        scope.field("kind").refuse("the policy does nothing; add what it is to do, such as `header`")
    convert = _KINDS.get(kind or "", _header)
    return Policy(
        name=policy.name,
        kind=convert(getattr(policy, kind) if kind in _KINDS else policy.header, scope.field(kind or "header")),
        everywhere=getattr(policy, "global"),
    )


def _header(header: policy_transform_pb2.HeaderPolicy, scope: Scope) -> HeaderPolicy:
    return HeaderPolicy(
        request=_change(header.request, scope.field("request")),
        response=_change(header.response, scope.field("response")),
    )


def _cors(cors: policy_transform_pb2.CorsPolicy, scope: Scope) -> CorsPolicy:
    origins = scope.field("allow_origins")
    if not cors.allow_origins:
        origins.refuse("an origin is missing, as in `https://shop.example.com`; `*` stands for any")
    for index, origin in enumerate(cors.allow_origins):
        if not _ORIGIN.fullmatch(origin):
            hint = (
                "scheme, host and port without a path, as in `https://shop.example.com`, `https://*.example.com` or `*`"
            )
            origins.index(index).refuse(f"`{origin}` is no origin: write {hint}")
    if cors.allow_credentials and "*" in cors.allow_origins:
        scope.field("allow_credentials").refuse("may not be set together with the origin `*`; name the origins")
    methods = scope.field("allow_methods")
    for index, verb in enumerate(cors.allow_methods):
        if not _VERB.fullmatch(verb):
            methods.index(index).refuse(f"`{verb}` is no verb in upper case")
    return CorsPolicy(
        allow_origins=tuple(origin.lower() for origin in cors.allow_origins),
        allow_methods=tuple(cors.allow_methods),
        allow_headers=_names(cors.allow_headers, scope.field("allow_headers")),
        expose_headers=_names(cors.expose_headers, scope.field("expose_headers")),
        allow_credentials=cors.allow_credentials,
        max_age=checks.seconds(cors.max_age, scope.field("max_age"), least=0.0)
        if cors.HasField("max_age")
        else _MAX_AGE,
    )


def _names(names: Sequence[str], scope: Scope) -> tuple[str, ...]:
    return tuple(checks.header_name(name, scope.index(index)) for index, name in enumerate(names))


def _change(change: policy_transform_pb2.HeaderChange, scope: Scope) -> HeaderChange:
    remove = scope.field("remove")
    return HeaderChange(
        remove=frozenset(
            checks.changeable_header(name, remove.index(index)) for index, name in enumerate(change.remove)
        ),
        set=_entries(change.set, scope.field("set")),
        append=_entries(change.append, scope.field("append")),
    )


def _entries(entries: Mapping[str, str], scope: Scope) -> tuple[tuple[str, str | bytes], ...]:
    """Return the entries by name, since a map has no order."""
    found = []
    named = []
    for key, value in sorted(entries.items()):
        place = scope.key(key)
        name = checks.changeable_header(key, place)
        named.append((name, place))
        found.append((name, checks.header_value(name, value, place)))
    checks.no_repeats(named)
    return tuple(found)


_KINDS: Mapping[str, Callable[[Any, Scope], HeaderPolicy | CorsPolicy | RetryRule | HedgeRule | TimeoutRule]] = {
    "header": _header,
    "cors": _cors,
    "retry": convert_retry,
    "hedge": convert_hedge,
    "timeout": convert_timeout,
}
"""The kinds that are built, by their field."""


def convert_consumer(consumer: consumer_pb2.Consumer, scope: Scope) -> Consumer:
    """Return the consumer for the model. It means something only when nothing was refused."""
    for field, values in (
        ("roles", consumer.roles),
        ("permissions", consumer.permissions),
        ("policies", consumer.policies),
    ):
        places = [(value, scope.field(field).index(index)) for index, value in enumerate(values)]
        for value, place in places:
            if not value.strip():
                place.refuse("may not be empty")
        checks.no_repeats((value, place) for value, place in places if value.strip())
    return Consumer(
        name=consumer.name,
        disabled=consumer.disabled,
        roles=frozenset(consumer.roles),
        permissions=frozenset(consumer.permissions),
        policies=tuple(consumer.policies),
    )
