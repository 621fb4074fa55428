"""Where an HTTP request enters: which call it stands for, and who answers it in the caller's protocol."""

from __future__ import annotations

from collections.abc import Callable

from edge.model.call import Protocol
from edge.model.errors import GatewayError, InvalidRequest
from edge.model.finding import HttpFinding
from edge.model.http import HeaderPairs, HttpExchange, HttpRequest
from edge.model.invoke import Invoker
from edge.model.passthrough import Passthrough
from edge.model.pipeline import Pipeline
from transcoding.cors import cors_headers
from transcoding.explain import explain_request
from transcoding.finder import Finder
from transcoding.headers import caller_deadline
from transcoding.index import Index
from transcoding.refusals import Refusal
from transcoding.session import Responder, Session


class Transcoder:
    """Answers HTTP requests; an `HttpHandler`.

    Args:
        pipeline: Matches, admits, settles.
        invoker: Makes calls to gRPC endpoints.
        passthrough: Forwards requests to HTTP endpoints.
        index: Returns what can be reached now.
        documents: Answers a request for a document of the gateway's own, such as `/openapi.json`, or returns None.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        invoker: Invoker,
        passthrough: Passthrough,
        index: Callable[[], Index],
        documents: Callable[[HttpRequest, Index], Responder | None] = lambda _request, _index: None,
    ) -> None:
        self._pipeline = pipeline
        self._invoker = invoker
        self._passthrough = passthrough
        self._index = index
        self._documents = documents

    async def handle(self, exchange: HttpExchange) -> None:
        """Answer one request, whatever it is. Raises nothing but CancelledError."""
        finder = Finder(self._index(), exchange.request, self._passthrough, self._documents)
        request = exchange.request
        if request.verb == "OPTIONS" and await finder.options(exchange):
            return
        refusal: GatewayError | None = None
        try:
            responder = finder.find()
        except Refusal as refused:
            responder, refusal = refused.responder, refused.error
        call = finder.call
        headers: HeaderPairs = ()
        if call.plan is not None and call.plan.cors is not None:
            headers = cors_headers(call.plan.cors, request)
        session = Session(self._pipeline, self._invoker, exchange, call, headers)
        try:
            call.deadline = caller_deadline(finder.head)
        except InvalidRequest as error:
            if call.protocol is not Protocol.HTTP:  # what an HTTP upstream takes such a header for is its own affair
                refusal = refusal or error
        if refusal is not None:
            await session.refuse(responder, refusal)
        else:
            await session.run(responder, own=finder.own)

    def explain(self, request: HttpRequest) -> HttpFinding:
        """Return what would become of a request. Nothing is called, counted or answered."""
        index = self._index()
        return explain_request(Finder(index, request, self._passthrough, self._documents), index, request)
