"""Finds the call that an HTTP request stands for.

    WebSocket handshake            rule or method path     WebSocketResponder
    content-type grpc-web          method path             GrpcWebResponder
    Connect                        method path             Connect…Responder
    anything else                  rule                    RestResponder
                                   `http` match            PlainResponder: an HTTP upstream or an answer of the route
                                   a document              such as /openapi.json

A rule that ends in `**` gives way to an `http` match. What is wrong with a request is said in its protocol, and counted
and logged like any other call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.model.call import Call, Protocol
from edge.model.errors import GatewayError, InvalidRequest, NoRoute, VerbNotAllowed, Violation
from edge.model.http import HeaderPairs, HttpExchange, HttpRequest
from edge.model.passthrough import Passthrough
from edge.model.snapshot import RoutePlan
from edge.model.upstreams import UpstreamProtocol
from transcoding.connect import connect_responder
from transcoding.cors import is_preflight, preflight
from transcoding.grpc_web import grpc_web_responder
from transcoding.headers import host_name, media_type, plain_metadata, to_metadata
from transcoding.index import Index
from transcoding.offer import Offer
from transcoding.plain import PlainResponder
from transcoding.refusals import Refusal, no_method, not_grpc_here, shown, wrong_media
from transcoding.rest import RestResponder, RestRule
from transcoding.rest.bound import BoundRequest
from transcoding.rules.matcher import Candidate, Matcher
from transcoding.session import Responder
from transcoding.websocket import Handshake, web_socket_responder

_WEB = "application/grpc-web"


class Finder:
    """Finds the call that one request stands for."""

    __slots__ = ("_documents", "_index", "_passthrough", "_request", "call", "head", "own")

    def __init__(
        self,
        index: Index,
        request: HttpRequest,
        passthrough: Passthrough,
        documents: Callable[[HttpRequest, Index], Responder | None],
    ) -> None:
        self._index = index
        self._request = request
        self.head = request
        """The head whose headers count: a WebSocket may bring more of them in its subprotocols."""
        self._passthrough = passthrough
        self._documents = documents
        self.own = False
        """Whether the gateway itself answers, and no route."""
        self.call = Call(
            request.path,
            to_metadata(request.headers),
            protocol=Protocol.REST,
            host=host_name(request.host),
            verb=request.verb,
            query=request.query,
            peer=request.peer,
            tls=request.tls,
            started=request.started,
        )

    def find(self) -> Responder:
        """Match the call and return who answers.

        Raises:
            Refusal: nobody does.
        """
        request = self._request
        path = request.path
        if _has_dot_segment(path):
            hint = "the path has `.` or `..` segments, which are not resolved here; send it without"
            raise Refusal(InvalidRequest.of([Violation("path", hint)]))
        if request.upgrades:
            return self._web_socket()
        media = media_type(request)
        if media.startswith(_WEB):
            return self._grpc_web()
        if (offer := self._rpc(Protocol.CONNECT)) is not None and not self._is_rest(offer):
            responder = connect_responder(request, offer)
            if responder is not None:
                return responder
        try:
            found = self._rule(self._index.rules.candidates(request.verb, path))
        except InvalidRequest as error:
            raise Refusal(error) from None
        if found is not None and not (found.value.open_ended and self._plain()):
            self._match(Protocol.REST, found.value.offer.method.path)
            if media.startswith("application/grpc"):
                raise Refusal(not_grpc_here(media))
            return RestResponder(found.value, found.variables)
        if self._plain():
            return PlainResponder(self._passthrough)
        document = self._documents(request, self._index)
        if document is not None:
            self.own = True
            return document
        raise self._missed()

    async def options(self, exchange: HttpExchange) -> bool:
        """Answer OPTIONS where nobody else does; return whether it was answered.

        A CORS preflight is answered by the policy of the route that would take the request it asks for. It needs no
        credentials and never goes upstream (Fetch standard, "CORS-preflight request").
        """
        request, rules = self._request, self._index.rules
        try:
            if self._rule(rules.candidates("OPTIONS", request.path)) is not None:
                return False  # a rule of its own
            preflights = is_preflight(request)
            verb = request.header("access-control-request-method") if preflights else ""
            plan = self._planned(verb)
        except InvalidRequest:
            return False
        if plan is None or (plan.route.transcoding is None and (plan.cors is None or not preflights)):
            self._unmatch()
            return False
        verbs = self._verbs() if plan.route.transcoding is not None else [verb, "OPTIONS"]
        allowed: HeaderPairs = ()
        if preflights and plan.cors is not None:
            allowed = preflight(plan.cors, request, verbs) or ()
        await exchange.respond(204, (("allow", ", ".join(verbs)), *allowed))
        return True

    def _planned(self, verb: str) -> RoutePlan | None:
        """Return what would take a request with this verb, or with any when it is empty."""
        rules, path = self._index.rules, self._request.path
        for candidate in (verb,) if verb else rules.verbs(path):
            if self._rule(rules.candidates(candidate, path)) is not None:
                return self.call.plan
        if self._rpc(Protocol.GRPC_WEB) is not None or self._rpc(Protocol.CONNECT) is not None:
            return self.call.plan
        self.call.verb = verb or "OPTIONS"
        found = self.call.plan if self._plain() else None
        self.call.verb = "OPTIONS"
        return found

    def _verbs(self) -> list[str]:
        """Return the verbs that the path takes."""
        verbs = dict.fromkeys(self._index.rules.verbs(self._request.path))
        if self._request.path in self._index.methods:
            verbs["POST"] = None
        if "GET" in verbs:
            verbs["HEAD"] = None
        verbs["OPTIONS"] = None
        return sorted(verbs)

    def _match(self, protocol: Protocol, method: str) -> RoutePlan | None:
        """Match the call as one of a protocol and a method path."""
        call, snapshot = self.call, self._index.snapshot
        call.protocol, call.method = protocol, method
        match = snapshot.table.match(call)
        if match is None:
            call.plan = None
            return None
        call.snapshot, call.plan, call.path_parameters = snapshot, match.plan, match.parameters
        return match.plan

    def _rule(
        self, candidates: Sequence[Candidate[RestRule]], protocol: Protocol = Protocol.REST
    ) -> Candidate[RestRule] | None:
        """Return the first rule whose route takes the call, which is matched then."""
        for candidate in candidates:
            offer = candidate.value.offer
            if protocol in offer.transcoding.disabled:
                continue
            plan = self._match(protocol, offer.method.path)
            if plan is not None and plan.route.name == offer.route:
                return candidate
        self._unmatch()
        return None

    def _rpc(self, protocol: Protocol) -> Offer | None:
        """Return the method whose path this is, if its route takes the call, which is matched then."""
        for offer in self._index.methods.get(self._request.path, ()):
            if protocol in offer.transcoding.disabled:
                continue
            plan = self._match(protocol, offer.method.path)
            if plan is not None and plan.route.name == offer.route:
                return offer
        self._unmatch()
        return None

    def _unmatch(self) -> None:
        call = self.call
        call.plan = call.snapshot = None
        call.method, call.protocol = self._request.path, Protocol.REST

    def _is_rest(self, offer: Offer) -> bool:
        """Whether plain JSON to a method's path is REST, which a route can ask for."""
        request = self._request
        if not offer.transcoding.rpc_paths or request.verb != "POST":
            return False
        return media_type(request) == "application/json" and not request.header("connect-protocol-version")

    def _grpc_web(self) -> Responder:
        request = self._request
        offer = self._rpc(Protocol.GRPC_WEB)
        responder = grpc_web_responder(request, offer.method.shape if offer is not None else None)
        if offer is None:
            # a method that no schema knows yet is forwarded as bytes, like a native call
            plan = self._match(Protocol.GRPC_WEB, request.path)
            transcoding = plan.route.transcoding if plan is not None else None
            if transcoding is None or Protocol.GRPC_WEB in transcoding.disabled:
                self._unmatch()
                self.call.protocol = Protocol.GRPC_WEB
                raise Refusal(no_method(request, "gRPC-Web"), responder)
        if request.verb != "POST":
            raise Refusal(VerbNotAllowed(request.verb, shown(request.path), ("POST",)), responder)
        return responder

    def _web_socket(self) -> Responder:
        request, rules, call = self._request, self._index.rules, self.call
        wrong: InvalidRequest | None = None
        handshake: Handshake | None = None
        try:
            # what a script handed over by subprotocols counts as headers from here on, for the match too
            handshake = Handshake.of(request)
            call.metadata = to_metadata(handshake.headers)
        except InvalidRequest as error:
            wrong = error  # for whoever transcodes; an HTTP upstream has subprotocols of its own
        offer = self._rpc(Protocol.WEB_SOCKET)
        template: BoundRequest | None = None
        if offer is None and (found := self._socket_rule(rules)) is not None:
            offer = found.value.offer
            template = BoundRequest(found.value, found.variables, request.query)
        if offer is None:
            if self._plain():
                return PlainResponder(self._passthrough)
            raise Refusal(no_method(request, "WebSocket"))
        if wrong is not None or handshake is None:
            raise Refusal(wrong or no_method(request, "WebSocket"))
        self.head = handshake
        return web_socket_responder(handshake, offer, template)

    def _socket_rule(self, rules: Matcher[RestRule]) -> Candidate[RestRule] | None:
        """Return the rule of a handshake, whatever its verb: one with a custom verb first, then one that streams."""
        path = self._request.path
        try:
            candidates = [
                candidate
                for verb in dict.fromkeys(("GET", *rules.verbs(path)))
                for candidate in rules.candidates(verb, path)
            ]
        except InvalidRequest as error:
            raise Refusal(error) from None
        candidates.sort(key=lambda found: (not found.value.binding.template.verb, not found.value.offer.streams))
        return self._rule(candidates, Protocol.WEB_SOCKET)

    def _plain(self) -> bool:
        """Match the call as plain HTTP; return whether a route without gRPC upstream takes it."""
        if not self._index.plain:
            return False
        plan = self._match(Protocol.HTTP, self._request.path)
        if plan is not None and (not plan.upstreams or plan.upstreams[0].protocol is UpstreamProtocol.HTTP):
            self.call.metadata = plain_metadata(self._request.headers)
            return True
        self._unmatch()
        return False

    def _missed(self) -> Refusal:
        """Return the refusal that says that nothing is here, or not with this verb or in this form."""
        request, index = self._request, self._index
        rest = any(
            self._rule(index.rules.candidates(verb, request.path)) is not None
            for verb in index.rules.verbs(request.path)
        )
        method = self._rpc(Protocol.CONNECT) or self._rpc(Protocol.GRPC_WEB)
        if method is not None and request.verb == "POST":
            return Refusal(wrong_media(request))
        if rest or method is not None:
            return Refusal(VerbNotAllowed(request.verb, shown(request.path), self._verbs()))
        self._unmatch()
        media = media_type(request)
        native = media.startswith("application/grpc")
        return Refusal(not_grpc_here(media) if native else self._nowhere())

    def _nowhere(self) -> GatewayError:
        request, index = self._request, self._index
        nearest = index.nearest(request.path)
        hint = f"; did you mean {nearest}?" if nearest else ""
        return NoRoute(
            f"no route takes {request.verb} {shown(request.path)}{hint}",
            metadata={"method": shown(request.path), "host": self.call.host},
        )


def _has_dot_segment(path: str) -> bool:
    return "/." in path and any(segment in (".", "..") for segment in path.split("/"))
