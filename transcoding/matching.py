"""Puts a request to the route table, under each of the meanings that it may have."""

from __future__ import annotations

from collections.abc import Sequence

from edge.model.call import Call, Protocol
from edge.model.config import HttpTarget
from edge.model.http import HttpRequest
from edge.model.snapshot import Match, RoutePlan
from edge.model.upstreams import UpstreamProtocol
from transcoding.headers import host_name, plain_metadata, request_metadata
from transcoding.index import Index
from transcoding.offer import Offer
from transcoding.rest import RestRule
from transcoding.rules.matcher import Candidate


class Matching:
    """One request and its call. What is found stays matched; when nothing is, the call is unmatched again.

    Args:
        index: What can be reached.
        request: The request.
    """

    __slots__ = ("call", "index", "request")

    def __init__(self, index: Index, request: HttpRequest) -> None:
        self.index = index
        self.request = request
        self.call = Call(
            request.path,
            request_metadata(request),
            protocol=Protocol.REST,
            host=host_name(request.host),
            verb=request.verb,
            query=request.query,
            peer=request.peer,
            tls=request.tls,
            started=request.started,
        )

    def match(self, protocol: Protocol, method: str) -> RoutePlan | None:
        """Match the call as one of a protocol and a method path."""
        call = self.call
        call.protocol, call.method = protocol, method
        match = self.index.snapshot.table.match(call)
        if match is None:
            call.plan = None
            return None
        return self._take(match)

    def _take(self, match: Match) -> RoutePlan:
        call = self.call
        call.snapshot, call.plan, call.path_parameters = self.index.snapshot, match.plan, match.parameters
        return match.plan

    def rule(
        self, candidates: Sequence[Candidate[RestRule]], protocol: Protocol = Protocol.REST
    ) -> Candidate[RestRule] | None:
        """Return the first rule whose route takes the call, which is matched then."""
        for candidate in candidates:
            offer = candidate.value.offer
            if (disabled := offer.transcoding.disabled) and protocol in disabled:  # an enum is slow to hash
                continue
            plan = self.match(protocol, offer.method.path)
            if plan is not None and plan.route.name == offer.route:
                return candidate
        self.unmatch()
        return None

    def rpc(self, protocol: Protocol) -> Offer | None:
        """Return the method whose path this is, if its route takes the call, which is matched then."""
        offers = self.index.methods.get(self.request.path)
        if offers is None:
            if self.call.plan is not None or self.call.protocol is not Protocol.REST:
                self.unmatch()
            return None
        for offer in offers:
            if (disabled := offer.transcoding.disabled) and protocol in disabled:
                continue
            plan = self.match(protocol, offer.method.path)
            if plan is not None and plan.route.name == offer.route:
                return offer
        self.unmatch()
        return None

    def unmatch(self) -> None:
        """Say that no route takes the call, as far as is known."""
        call = self.call
        call.plan = call.snapshot = None
        call.method, call.protocol = self.request.path, Protocol.REST

    def plain(self, *, places: bool = False) -> bool:
        """Match the call as plain HTTP; return whether a route without gRPC upstream takes it.

        Args:
            places: Whether only an `http` match counts, and no route that takes whatever is left.
        """
        if not self.index.plain:
            return False
        call = self.call
        metadata, call.metadata = call.metadata, plain_metadata(self.request.headers)  # conditions are on all of them
        call.protocol, call.method = Protocol.HTTP, self.request.path
        match = self.index.snapshot.table.match(call)
        if match is not None and _is_plain(match.plan) and (not places or _is_place(match)):
            self._take(match)
            return True
        call.metadata = metadata
        self.unmatch()
        return False


def _is_plain(plan: RoutePlan) -> bool:
    """Whether a route answers by itself or leads to an upstream that speaks plain HTTP."""
    return not plan.upstreams or plan.upstreams[0].protocol is UpstreamProtocol.HTTP


def _is_place(match: Match) -> bool:
    """Whether a match is an `http` one, and not one of everything that is left."""
    matches = match.plan.route.matches
    return match.index >= 0 and isinstance(matches[match.index].target, HttpTarget)
