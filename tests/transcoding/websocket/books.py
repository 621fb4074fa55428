"""The methods of the bookstore, called by WebSocket in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from google.api import annotations_pb2

from bookstore.v1 import bookstore_pb2
from edge.model.config import CorsPolicy, DirectResponse
from edge.model.http import HeaderPairs, HttpRequest
from edge.model.schema import Method, Shape
from edge.model.snapshot import Admission
from edge.model.transcoding import Transcoding
from tests.support.web_socket_exchange import Conversing, MemoryUpstream, handshake
from transcoding.codec import Codec, CodecOptions
from transcoding.offer import Offer
from transcoding.rest.bound import BoundRequest
from transcoding.rest.rule import RestRule
from transcoding.rules.binding import compile_rule
from transcoding.rules.fields import Tables
from transcoding.unknown import UnknownFields
from transcoding.websocket import Handshake, RequestTemplate, web_socket_responder

SERVICE = bookstore_pb2.DESCRIPTOR.services_by_name["BookstoreService"]

UNARY, SERVER, CLIENT, BIDI = "GetShelf", "StreamBooks", "ImportBooks", "RecommendBooks"
"""One method of each kind."""

_SHAPES = {
    (False, False): Shape.UNARY,
    (False, True): Shape.SERVER_STREAM,
    (True, False): Shape.CLIENT_STREAM,
    (True, True): Shape.BIDI_STREAM,
}


def offer(name: str, transcoding: Transcoding | None = None, **options: object) -> Offer:
    """Return a method as a route offers it."""
    descriptor = SERVICE.methods_by_name[name]
    method = Method(
        f"/{SERVICE.full_name}/{name}",
        _SHAPES[descriptor.client_streaming, descriptor.server_streaming],
        descriptor.input_type.full_name,
        descriptor.output_type.full_name,
    )
    codec = Codec(bookstore_pb2.DESCRIPTOR.pool, CodecOptions(**options))  # type: ignore[arg-type] # as the test says
    return Offer("routes/books", transcoding or Transcoding(), method, descriptor, codec, UnknownFields("routes/books"))


def by_rule(of: Offer, variables: Mapping[str, str], query: str = "", *, rule: int = 0) -> BoundRequest:
    """Return what a URL says by one of the rules of a method."""
    tables = Tables()
    annotation = of.descriptor.GetOptions().Extensions[annotations_pb2.http]
    bindings, problems = compile_rule(of.descriptor, annotation, tables)
    assert not problems
    return BoundRequest(RestRule(bindings[rule], of, tables), variables, query)


def converse(
    name: str,
    *subprotocols: str,
    upstream: MemoryUpstream | None = None,
    variables: Mapping[str, str] | None = None,
    query: str = "",
    rule: int = 0,
    transcoding: Transcoding | None = None,
    cors: CorsPolicy | None = None,
    admissions: Sequence[Admission] = (),
    limit: int = 1 << 22,
    deadline: float | None = None,
    headers: HeaderPairs = (),
    request_headers: HeaderPairs = (),
    direct: DirectResponse | None = None,
) -> Conversing:
    """Start a call of a method: by a rule of it when there are variables, else by its own path."""
    options = transcoding or Transcoding()
    of = offer(name, options)
    template: RequestTemplate | None = None
    if variables is not None:
        template = by_rule(of, variables, query, rule=rule)
    request: HttpRequest = handshake(of.method.path, *subprotocols, headers=request_headers)
    responder = web_socket_responder(Handshake.of(request), of, template)
    return Conversing(
        request,
        responder,
        upstream or MemoryUpstream(),
        transcoding=options,
        cors=cors,
        admissions=admissions,
        limit=limit,
        deadline=deadline,
        headers=headers,
        direct=direct,
    ).start()


def text(value: object) -> str:
    """Return a JSON text."""
    return json.dumps(value)


def shelf(theme: str = "Sea") -> bytes:
    """Return a serialized shelf."""
    return bookstore_pb2.Shelf(name="shelves/sea", theme=theme).SerializeToString()


def book(title: str) -> bytes:
    """Return a serialized book."""
    return bookstore_pb2.Book(title=title).SerializeToString()
