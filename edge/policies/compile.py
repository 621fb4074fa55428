"""Turns the policies of a route into the flat list its calls run through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.model.config import CorsPolicy, HeaderChange, HeaderPolicy, Policy
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

_PHASE: dict[type, str] = {CorsPolicy: "cors", HeaderPolicy: "transform"}


@dataclass(frozen=True, slots=True)
class CompiledPolicies:
    """The policies of a route, by what they do."""

    admissions: tuple[Admission, ...]
    """What calls run through, in order."""

    response_changes: tuple[HeaderChange, ...]
    """What is done to the initial metadata of answers, in order."""

    cors: CorsPolicy | None
    """Which scripts may call. Of several policies the one that the route names last counts."""


def compile_policies(names: Iterable[str], policies: Mapping[str, Policy]) -> CompiledPolicies:
    """Compile the policies of a route.

    Args:
        names: The names the route lists.
        policies: All policies.
    """
    everywhere = [policy.name for policy in policies.values() if policy.everywhere]
    chosen = [policies[name] for name in dict.fromkeys((*everywhere, *names))]
    chosen.sort(key=lambda policy: PHASES.index(_PHASE[type(policy.kind)]))  # stable: the route's order within a phase
    nothing = HeaderChange()
    admissions: list[Admission] = []
    responses: list[HeaderChange] = []
    cors: CorsPolicy | None = None
    for policy in chosen:
        kind = policy.kind
        if isinstance(kind, CorsPolicy):
            cors = kind
            continue
        if kind.request != nothing:
            admissions.append(HeaderAdmission(policy.name, kind))
        if kind.response != nothing:
            responses.append(kind.response)
    return CompiledPolicies(tuple(admissions), tuple(responses), cors)
