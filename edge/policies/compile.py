"""Turns the policies of a route into the flat list its calls run through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge.model.config import HeaderChange, HeaderPolicy, Policy
from edge.model.snapshot import Admission
from edge.policies.headers import HeaderAdmission

PHASES: tuple[str, ...] = (
    "cors",
    "limits",
    "authentication",
    "authorization",
    "rate limit",
    "validation",
    "cache",
    "transform",
)
"""The order in which policies run, whatever the order in which a route names them."""

_PHASE = {HeaderPolicy: "transform"}


def compile_policies(
    names: Iterable[str], policies: Mapping[str, Policy]
) -> tuple[tuple[Admission, ...], tuple[HeaderChange, ...]]:
    """Compile the policies of a route.

    Args:
        names: The names the route lists.
        policies: All policies.

    Returns:
        What calls run through, in order, and what is done to the initial metadata of answers, in order.
    """
    everywhere = [policy.name for policy in policies.values() if policy.everywhere]
    chosen = [policies[name] for name in dict.fromkeys((*everywhere, *names))]
    chosen.sort(key=lambda policy: PHASES.index(_PHASE[type(policy.kind)]))  # stable: the route's order within a phase
    nothing = HeaderChange()
    admissions = [HeaderAdmission(policy.name, policy.kind) for policy in chosen if policy.kind.request != nothing]
    responses = [policy.kind.response for policy in chosen if policy.kind.response != nothing]
    return tuple(admissions), tuple(responses)
