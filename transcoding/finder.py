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

from collections.abc import Callable

from edge.model.call import Protocol
from edge.model.errors import GatewayError, InvalidRequest, NoRoute, VerbNotAllowed, Violation
from edge.model.http import HeaderPairs, HttpExchange, HttpRequest
from edge.model.passthrough import Passthrough
from edge.model.snapshot import RoutePlan
from transcoding.connect import connect_responder
from transcoding.cors import is_preflight, preflight
from transcoding.grpc_web import grpc_web_responder
from transcoding.headers import media_type, to_metadata
from transcoding.index import Index
from transcoding.matching import Matching
from transcoding.offer import Offer
from transcoding.plain import PlainResponder
from transcoding.refusals import Refusal, no_method, not_grpc_here, shown, wrong_media
from transcoding.rest import RestResponder, RestRule
from transcoding.rest.bound import BoundRequest
from transcoding.rules.matcher import Candidate, Matcher
from transcoding.session import Responder
from transcoding.websocket import Handshake, web_socket_responder

_WEB = "application/grpc-web"


class Finder(Matching):
    """Finds the call that one request stands for."""

    __slots__ = ("_documents", "_passthrough", "head", "own")

    def __init__(
        self,
        index: Index,
        request: HttpRequest,
        passthrough: Passthrough,
        documents: Callable[[HttpRequest, Index], Responder | None],
    ) -> None:
        super().__init__(index, request)
        self.head = request
        """The head whose headers count: a WebSocket may bring more of them in its subprotocols."""
        self._passthrough = passthrough
        self._documents = documents
        self.own = False
        """Whether the gateway itself answers, and no route."""

    def find(self) -> Responder:
        """Match the call and return who answers.

        Raises:
            Refusal: nobody does.
        """
        request = self.request
        path = request.path
        if _has_dot_segment(path):
            hint = "the path has `.` or `..` segments, which are not resolved here; send it without"
            raise Refusal(InvalidRequest.of([Violation("path", hint)]))
        if request.header("upgrade") and request.upgrades:
            return self._web_socket()
        media = media_type(request)
        if media.startswith(_WEB):
            return self._grpc_web()
        if (offer := self.rpc(Protocol.CONNECT)) is not None and not self._is_rest(offer):
            responder = connect_responder(request, offer)
            if responder is not None:
                return responder
        try:
            found = self.rule(self.index.rules.candidates(request.verb, path))
        except InvalidRequest as error:
            raise Refusal(error) from None
        if found is not None and not (found.value.open_ended and self.plain(places=True)):
            if found.value.open_ended:
                self.match(Protocol.REST, found.value.offer.method.path)  # `plain` has unmatched it
            if media.startswith("application/grpc"):
                raise Refusal(not_grpc_here(media))
            return RestResponder(found.value, found.variables)
        if self.plain():
            return PlainResponder(self._passthrough)
        document = self._documents(request, self.index)
        if document is not None:
            self.own = True
            return document
        raise self._missed()

    async def options(self, exchange: HttpExchange) -> bool:
        """Answer OPTIONS where nobody else does; return whether it was answered.

        A CORS preflight is answered by the policy of the route that would take the request it asks for. It needs no
        credentials and never goes upstream (Fetch standard, "CORS-preflight request").
        """
        request, rules = self.request, self.index.rules
        try:
            if self.rule(rules.candidates("OPTIONS", request.path)) is not None:
                return False  # a rule of its own
            preflights = is_preflight(request)
            verb = request.header("access-control-request-method") if preflights else ""
            plan = self._planned(verb)
        except InvalidRequest:
            return False
        if plan is None or (plan.route.transcoding is None and (plan.cors is None or not preflights)):
            self.unmatch()
            return False
        verbs = self._verbs() if plan.route.transcoding is not None else [verb, "OPTIONS"]
        allowed: HeaderPairs = ()
        if preflights and plan.cors is not None:
            allowed = preflight(plan.cors, request, verbs) or ()
        await exchange.respond(204, (("allow", ", ".join(verbs)), *allowed))
        return True

    def _planned(self, verb: str) -> RoutePlan | None:
        """Return what would take a request with this verb, or with any when it is empty."""
        rules, path = self.index.rules, self.request.path
        for candidate in (verb,) if verb else rules.verbs(path):
            if self.rule(rules.candidates(candidate, path)) is not None:
                return self.call.plan
        if self.rpc(Protocol.GRPC_WEB) is not None or self.rpc(Protocol.CONNECT) is not None:
            return self.call.plan
        self.call.verb = verb or "OPTIONS"
        found = self.call.plan if self.plain() else None
        self.call.verb = "OPTIONS"
        return found

    def _verbs(self) -> list[str]:
        """Return the verbs that the path takes."""
        verbs = dict.fromkeys(self.index.rules.verbs(self.request.path))
        if "GET" in verbs:
            verbs["HEAD"] = None
        for offer in self.index.methods.get(self.request.path, ()):
            verbs["POST"] = None
            # Connect's GET, which nobody asks for who comes with another GET
            if offer.method.side_effect_free and not offer.streams and self.request.verb != "GET":
                verbs["GET"] = None
        verbs["OPTIONS"] = None
        return sorted(verbs)

    def _is_rest(self, offer: Offer) -> bool:
        """Whether plain JSON to a method's path is REST, which a route can ask for."""
        request = self.request
        transcoding = offer.transcoding
        if not transcoding.rpc_paths or Protocol.REST in transcoding.disabled or request.verb != "POST":
            return False
        return media_type(request) == "application/json" and not request.header("connect-protocol-version")

    def _grpc_web(self) -> Responder:
        request = self.request
        offer = self.rpc(Protocol.GRPC_WEB)
        responder = grpc_web_responder(request, offer.method.shape if offer is not None else None)
        if offer is None:
            # a method that no schema knows yet is forwarded as bytes, like a native call
            plan = self.match(Protocol.GRPC_WEB, request.path)
            transcoding = plan.route.transcoding if plan is not None else None
            if transcoding is None or Protocol.GRPC_WEB in transcoding.disabled:
                self.unmatch()
                self.call.protocol = Protocol.GRPC_WEB
                raise Refusal(no_method(request, "gRPC-Web"), responder)
        if request.verb != "POST":
            raise Refusal(VerbNotAllowed(request.verb, shown(request.path), ("POST",)), responder)
        return responder

    def _web_socket(self) -> Responder:
        request, rules, call = self.request, self.index.rules, self.call
        wrong: InvalidRequest | None = None
        handshake: Handshake | None = None
        try:
            # what a script handed over by subprotocols counts as headers from here on, for the match too
            handshake = Handshake.of(request)
            call.metadata = to_metadata(handshake.headers)
        except InvalidRequest as error:
            wrong = error  # for whoever transcodes; an HTTP upstream has subprotocols of its own
        offer = self.rpc(Protocol.WEB_SOCKET)
        template: BoundRequest | None = None
        if offer is None and (found := self._socket_rule(rules)) is not None:
            offer = found.value.offer
            if found.value.open_ended:
                if self.plain(places=True):
                    return PlainResponder(self._passthrough)
                self.match(Protocol.WEB_SOCKET, offer.method.path)  # `plain` has unmatched it
            template = BoundRequest(found.value, found.variables, request.query)
        if offer is None:
            if self.plain():
                return PlainResponder(self._passthrough)
            raise Refusal(no_method(request, "WebSocket"))
        if wrong is not None or handshake is None:
            raise Refusal(wrong or no_method(request, "WebSocket"))
        self.head = handshake
        return web_socket_responder(handshake, offer, template)

    def _socket_rule(self, rules: Matcher[RestRule]) -> Candidate[RestRule] | None:
        """Return the rule of a handshake, whatever its verb: one with a custom verb first, then one that streams."""
        path = self.request.path
        try:
            candidates = [
                candidate
                for verb in dict.fromkeys(("GET", *rules.verbs(path)))
                for candidate in rules.candidates(verb, path)
            ]
        except InvalidRequest as error:
            raise Refusal(error) from None
        candidates.sort(key=lambda found: (not found.value.binding.template.verb, not found.value.offer.streams))
        return self.rule(candidates, Protocol.WEB_SOCKET)

    def _missed(self) -> Refusal:
        """Return the refusal that says that nothing is here, or not with this verb or in this form."""
        request, rules = self.request, self.index.rules
        # whichever is found stays matched: its route's CORS policy lets scripts read the refusal
        if (self.rpc(Protocol.CONNECT) or self.rpc(Protocol.GRPC_WEB)) is not None:
            if request.verb == "POST":
                return Refusal(wrong_media(request))
            return Refusal(VerbNotAllowed(request.verb, shown(request.path), self._verbs()))
        try:
            rest = any(
                self.rule(rules.candidates(verb, request.path)) is not None for verb in rules.verbs(request.path)
            )
        except InvalidRequest as error:
            return Refusal(error)
        if rest:
            return Refusal(VerbNotAllowed(request.verb, shown(request.path), self._verbs()))
        self.unmatch()
        media = media_type(request)
        native = media.startswith("application/grpc")
        return Refusal(not_grpc_here(media) if native else self._nowhere())

    def _nowhere(self) -> GatewayError:
        request, index = self.request, self.index
        nearest = index.nearest(request.path)
        hint = f"; did you mean {nearest}?" if nearest else ""
        return NoRoute(
            f"no route takes {request.verb} {shown(request.path)}{hint}",
            metadata={"method": shown(request.path), "host": self.call.host},
        )


def _has_dot_segment(path: str) -> bool:
    return "/." in path and any(segment in (".", "..") for segment in path.split("/"))
