"""Lets scripts of other origins call: the answer to their preflights, and the headers of every other answer.

Source: Fetch standard, "CORS protocol". A policy allows or does not; what it says nothing about is what the protocols
need (doc/PROTOCOL-WEB.md, Connect documentation "CORS").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from edge.model.config import CorsPolicy
from edge.model.http import HeaderPairs, HttpRequest

ANY = "*"

PROTOCOL_REQUEST_HEADERS = (
    *("accept", "content-type", "last-event-id"),
    *("connect-accept-encoding", "connect-content-encoding", "connect-protocol-version", "connect-timeout-ms"),
    *("grpc-accept-encoding", "grpc-encoding", "grpc-timeout", "x-grpc-web", "x-user-agent"),
)
"""What the protocols' own clients send. Allowed whatever a policy lists: none of it is a credential."""

PROTOCOL_RESPONSE_HEADERS = (
    *("connect-accept-encoding", "connect-content-encoding", "content-encoding", "grpc-accept-encoding"),
    *("grpc-encoding", "grpc-message", "grpc-status", "grpc-status-details-bin", "retry-after", "x-request-id"),
)
"""What the protocols' own clients read."""

_EXPOSE = "access-control-expose-headers"
_ALWAYS_EXPOSED = frozenset(
    {
        "cache-control",
        "content-language",
        "content-length",
        "content-type",
        "expires",
        "last-modified",
        "pragma",
        "vary",
    }
)
"""CORS-safelisted response header names, and `vary`, which is not for scripts."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,100}")
_MOST_REQUESTED = 64

_KEPT_POLICIES = 256


def is_preflight(request: HttpRequest) -> bool:
    """Return whether a browser asks whether a script may send a request. A plain OPTIONS is not that."""
    if request.verb != "OPTIONS":
        return False
    return bool(request.header("origin") and request.header("access-control-request-method"))


def preflight(policy: CorsPolicy, request: HttpRequest, verbs: Sequence[str]) -> HeaderPairs | None:
    """Return the headers that answer a preflight, or None when the policy allows neither origin nor verb.

    Args:
        policy: The policy of the route that would take the request.
        request: The preflight.
        verbs: The verbs of the path; they count when the policy lists none.
    """
    origin = request.header("origin")
    verb = request.header("access-control-request-method").upper()
    allowed = policy.allow_methods or verbs
    if not origin_allowed(policy, origin) or (verb not in allowed and ANY not in allowed):
        return None
    names = _allowed_names(policy, request.header("access-control-request-headers"))
    headers = [
        ("access-control-allow-origin", ANY if _any_origin(policy) else origin),
        ("access-control-allow-methods", ", ".join(dict.fromkeys((*(name for name in allowed if name != ANY), verb)))),
        ("access-control-max-age", str(int(policy.max_age))),
        ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]
    if names:
        headers.append(("access-control-allow-headers", ", ".join(names)))
    if policy.allow_credentials:
        headers.append(("access-control-allow-credentials", "true"))
    return headers


def cors_headers(policy: CorsPolicy, request: HttpRequest) -> HeaderPairs:
    """Return what every answer to a request has, errors of the gateway's own included, or else scripts cannot read it.

    `merge` adds the names of the other headers, which are not known yet.

    Args:
        policy: The policy of the route that takes the request.
        request: The request, of any origin or none.
    """
    origin = request.header("origin")
    any_origin = _any_origin(policy)
    headers: list[tuple[str, str]] = [] if any_origin else [("vary", "Origin")]
    if not origin or not origin_allowed(policy, origin):
        return headers
    headers.append(("access-control-allow-origin", ANY if any_origin else origin))
    if policy.allow_credentials:
        headers.append(("access-control-allow-credentials", "true"))
    headers.append((_EXPOSE, _exposed(policy)))
    return headers


def merge(headers: HeaderPairs, cors: HeaderPairs) -> HeaderPairs:
    """Return the headers of an answer together with those of CORS, which then expose every one of them.

    With credentials `*` exposes nothing (Fetch standard), so each name is listed. What an upstream says of CORS gives
    way: two `access-control-allow-origin` are none.

    Args:
        headers: The headers of the answer, trailers that go as headers included.
        cors: What `cors_headers` returned.
    """
    own = [pair for pair in headers if not pair[0].startswith("access-control-")]
    merged: list[tuple[str, str]] = [*own]
    for name, value in cors:
        if name == _EXPOSE:
            known = set(value.split(", "))
            names = dict.fromkeys(key for key, _ in own if key not in known and key not in _ALWAYS_EXPOSED)
            merged.append((name, ", ".join((value, *names))))
        else:
            merged.append((name, value))
    return merged


def origin_allowed(policy: CorsPolicy, origin: str) -> bool:
    """Return whether a policy lets scripts of an origin call.

    Args:
        policy: The policy.
        origin: The origin as sent, as in `https://shop.example.com`, or `null`.
    """
    return bool(origin) and _origins(policy.allow_origins).fullmatch(origin.lower()) is not None


def _any_origin(policy: CorsPolicy) -> bool:
    """Whether the answer is the same for every origin, so that caches need not keep one for each."""
    return ANY in policy.allow_origins and not policy.allow_credentials


def _allowed_names(policy: CorsPolicy, requested: str) -> Sequence[str]:
    if policy.allow_headers and ANY not in policy.allow_headers:
        return tuple(dict.fromkeys((*policy.allow_headers, *PROTOCOL_REQUEST_HEADERS)))
    names = (name.strip().lower() for name in requested.split(",", _MOST_REQUESTED)[:_MOST_REQUESTED])
    return tuple(dict.fromkeys(name for name in names if _TOKEN.fullmatch(name)))


@lru_cache(maxsize=_KEPT_POLICIES)
def _origins(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return what finds an allowed origin. A `*` stands for any text within scheme, host or port."""
    whole = ("[^/]*".join(re.escape(part) for part in pattern.split(ANY)) for pattern in patterns if pattern != ANY)
    return re.compile("|".join([*whole, *([".*"] if ANY in patterns else [])]))


@lru_cache(maxsize=_KEPT_POLICIES)
def _exposed(policy: CorsPolicy) -> str:
    return ", ".join(dict.fromkeys((*PROTOCOL_RESPONSE_HEADERS, *policy.expose_headers)))
