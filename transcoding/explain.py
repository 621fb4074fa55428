"""Says what would become of an HTTP request, without answering it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge.model.call import Call, Protocol
from edge.model.errors import GatewayError, InvalidRequest, VerbNotAllowed
from edge.model.finding import HttpFinding
from edge.model.http import HttpRequest
from edge.model.snapshot import Miss
from transcoding.finder import Finder
from transcoding.index import Index
from transcoding.plain import PlainResponder
from transcoding.refusals import Refusal
from transcoding.rest import RestRule
from transcoding.rules.matcher import Candidate


def explain_request(finder: Finder, index: Index, request: HttpRequest) -> HttpFinding:
    """Return what becomes of a request.

    Args:
        finder: Finds the call of this request. It is used up.
        index: What it finds the call in.
        request: The request.
    """
    error: GatewayError | None = None
    plain = False
    try:
        plain = isinstance(finder.find(), PlainResponder)
    except Refusal as refused:
        error = refused.error
    call = finder.call
    if isinstance(error, VerbNotAllowed):
        if request.verb == "OPTIONS":
            call.protocol = Protocol.HTTP
            return HttpFinding(call=call, answer=f"answer without an upstream: allow: {', '.join(error.allow)}")
        misses = tuple(_other_verbs(index, finder.call, error.allow, request))
        call.method, call.protocol = request.path, Protocol.HTTP
        return HttpFinding(call=call, error=error, misses=misses)
    if plain:
        return HttpFinding(call=call)
    if error is None and finder.own:
        call.protocol = Protocol.HTTP
        return HttpFinding(call=call, answer="answer with a document of the gateway's own")
    nearest = _rule(index, request, call.plan.route.name if call.plan is not None else "", call.method)
    if nearest is None:
        if error is not None and call.protocol is Protocol.REST and request.path not in index.methods:
            call.protocol = Protocol.HTTP
        return HttpFinding(call=call, error=error)
    if error is not None:
        call.method = nearest.value.offer.method.path
    return HttpFinding(call=call, rule=nearest.value.binding.pattern, variables=nearest.variables, error=error)


def _rule(index: Index, request: HttpRequest, route: str, method: str) -> Candidate[RestRule] | None:
    """Return the first rule that takes the request, of one route and method if it has been found out which."""
    try:
        verbs = dict.fromkeys((request.verb, *index.rules.verbs(request.path))) if request.upgrades else (request.verb,)
        found = [candidate for verb in verbs for candidate in index.rules.candidates(verb, request.path)]
    except InvalidRequest:
        return None
    if not route:
        return found[0] if found else None
    ours = (found for found in found if found.value.offer.route == route and found.value.offer.method.path == method)
    # a call by its method's own path has no rule, though the path may fit one that is open ended
    return next(ours, None) if method != request.path else None


def _other_verbs(index: Index, call: Call, verbs: Sequence[str], request: HttpRequest) -> Iterator[Miss]:
    """Yield the rules for the path of a request that ask for other verbs, and whose route takes the call."""
    call.protocol = Protocol.REST
    for verb in verbs:
        for candidate in index.rules.candidates(verb, request.path) if verb != "HEAD" else ():
            rule = candidate.value
            call.method = rule.offer.method.path
            match = index.snapshot.table.match(call)
            if match is not None and match.plan.route.name == rule.offer.route:
                reason = f"{rule.binding.pattern} calls {call.method[1:]}, and the call has the verb {request.verb}"
                yield Miss(rule.offer.route, match.index, reason, 1)
                break
