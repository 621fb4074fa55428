"""What has to fit between routes and upstreams that speak plain HTTP, and in redirects."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge.control.conversion.scope import Places, Problem
from edge.model.config import Configuration, Forward, GrpcTarget, HttpTarget, Redirect, Route
from edge.model.errors import Violation
from edge.model.hints import did_you_mean
from edge.model.upstreams import UpstreamProtocol

_USED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_BOUND = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?:=\*\*?)?\}")


def plain_http(configuration: Configuration, places: Places) -> list[Violation]:
    """Return what is wrong with routes and schemas by what upstreams speak. The references have been checked."""
    violations = []
    for name, route in configuration.routes.items():
        if isinstance(route.action, Forward):
            problems = _forward(route, route.action, configuration)
        elif isinstance(route.action, Redirect):
            problems = _redirect(route, route.action)
        else:
            continue
        violations += [places.violation(name, problem) for problem in problems]
    for name, schema in configuration.schemas.items():
        lender = configuration.upstreams.get(schema.reflection_upstream)
        if lender is not None and lender.protocol is UpstreamProtocol.HTTP:
            words = f"{lender.name} has `protocol: HTTP`; only an upstream that speaks gRPC answers reflection"
            violations.append(places.violation(name, Problem("reflection_upstream", words)))
    return violations


def _forward(route: Route, forward: Forward, configuration: Configuration) -> Iterator[Problem]:
    speaks = {name: configuration.upstreams[name].protocol for name, _ in forward.upstreams}
    plain = next((name for name, protocol in speaks.items() if protocol is UpstreamProtocol.HTTP), "")
    if not plain:
        return
    if grpc := next((name for name, protocol in speaks.items() if protocol is UpstreamProtocol.GRPC), ""):
        yield Problem(
            "forward.upstreams",
            f"{grpc} speaks gRPC and {plain} plain HTTP; the upstreams of one route have to speak the same",
        )
        return
    if route.transcoding is not None:
        yield Problem(
            "transcoding",
            f"is for gRPC upstreams, and {plain} has `protocol: HTTP`; leave it out, requests pass as they are",
        )
    for index, match in enumerate(route.matches):
        if isinstance(match.target, GrpcTarget):
            yield Problem(
                f"matches[{index}].grpc",
                f"selects gRPC calls, and {plain} has `protocol: HTTP`; write `http: {{path: …}}` instead, "
                "or `protocol: GRPC` in the upstream",
            )


def _redirect(route: Route, redirect: Redirect) -> Iterator[Problem]:
    """Refuse parameters that a match does not bind."""
    for name in dict.fromkeys(_USED.findall(redirect.path)):
        for index, match in enumerate(route.matches):
            bound = _BOUND.findall(match.target.path) if isinstance(match.target, HttpTarget) else []
            if name not in bound:
                yield Problem(
                    "redirect.path",
                    f"the path of matches[{index}] has no parameter `{name}`{did_you_mean(name, bound)}",
                )
        if not route.matches:
            yield Problem("redirect.path", f"the route has no match whose path could have the parameter `{name}`")
