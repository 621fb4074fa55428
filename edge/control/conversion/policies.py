"""Policies and consumers: proto → model."""

from __future__ import annotations

from collections.abc import Mapping

from edge.control.conversion import checks
from edge.control.conversion.scope import Scope
from edge.model.config import Consumer, HeaderChange, HeaderPolicy, Policy
from gateway.v1 import consumer_pb2, policy_pb2, policy_transform_pb2


def convert_policy(policy: policy_pb2.Policy, scope: Scope) -> Policy:
    """Return the policy for the model. It means something only when nothing was refused."""
    if policy.WhichOneof("kind") is None:
        scope.field("kind").refuse("the policy does nothing; add what it is to do, such as `header`")
    header = scope.field("header")
    return Policy(
        name=policy.name,
        kind=HeaderPolicy(
            request=_change(policy.header.request, header.field("request")),
            response=_change(policy.header.response, header.field("response")),
        ),
        everywhere=getattr(policy, "global"),
    )


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
