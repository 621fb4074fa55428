"""The methods of the bookstore as a route offers them."""

from __future__ import annotations

from bookstore.v1 import bookstore_pb2
from edge.model.http import HttpRequest
from edge.model.schema import SchemaSet
from edge.model.status import Code
from edge.model.transcoding import Transcoding
from transcoding.codec import Codec, CodecOptions
from transcoding.offer import Offer
from transcoding.unknown import UnknownFields

_FILE = bookstore_pb2.DESCRIPTOR
_SERVICE = _FILE.services_by_name["BookstoreService"]
_METHODS = SchemaSet.of([_FILE.serialized_pb]).methods
_CODEC = Codec(_FILE.pool, CodecOptions())

UNARY = "GetShelf"
CHANGES = "CreateShelf"
SERVER_STREAM = "StreamBooks"
CLIENT_STREAM = "ImportBooks"
BIDI = "RecommendBooks"

SHELF = bookstore_pb2.Shelf(name="shelves/1", theme="Sea")
SHELF_JSON = b'{"name":"shelves/1","theme":"Sea"}'
ASK = bookstore_pb2.GetShelfRequest(name="shelves/1")
ASK_JSON = b'{"name":"shelves/1"}'


def offer_of(method: str) -> Offer:
    """Return a method of the bookstore by its name."""
    path = f"/{_SERVICE.full_name}/{method}"
    return Offer(
        "routes/play",
        Transcoding(),
        _METHODS[path],
        _SERVICE.methods_by_name[method],
        _CODEC,
        UnknownFields("routes/play"),
    )


def post(method: str, content_type: str, *headers: tuple[str, str], verb: str = "POST") -> HttpRequest:
    """Return the head of a request to a method."""
    return HttpRequest(verb, f"/{_SERVICE.full_name}/{method}", [("content-type", content_type), *headers])


def get(method: str, query: str, *headers: tuple[str, str], verb: str = "GET") -> HttpRequest:
    """Return the head of a request with a query to a method."""
    return HttpRequest(verb, f"/{_SERVICE.full_name}/{method}?{query}", headers)


CONNECT_HTTP_STATUS: dict[Code, int] = {
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
"""The HTTP status of each code, as the Connect protocol has it under "Error Codes"."""
