"""What the gateway would make of an HTTP request, for `ExplainCall`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.model.call import Call
from edge.model.errors import GatewayError
from edge.model.snapshot import Miss


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFinding:
    """What the gateway would make of an HTTP request."""

    call: Call
    """The call it stands for. When nobody takes it, the one that it comes nearest to."""

    rule: str = ""
    """The rule that takes it, or would if its route took the call, as in `GET /v1/{name=shelves/*}`."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """What the path binds by that rule."""

    error: GatewayError | None = None
    """Why nobody takes it."""

    answer: str = ""
    """What the gateway answers by itself, in words. Empty when a route takes the call or nobody does."""

    misses: tuple[Miss, ...] = ()
    """Rules that take the path and not the verb."""
