"""Which requests on the path of a method are Connect's, and who answers them."""

from __future__ import annotations

from edge.model.http import HttpRequest
from transcoding.connect.protocol import STREAM, UNARY_CODECS, VERSION_HEADER
from transcoding.connect.query import is_connect_query
from transcoding.connect.stream import ConnectStreamResponder
from transcoding.connect.unary import ConnectUnaryResponder
from transcoding.headers import media_type
from transcoding.offer import Offer
from transcoding.session import Responder

_JSON = "application/json"


def connect_responder(request: HttpRequest, offer: Offer) -> Responder | None:
    """Return who answers a request, or None when it is not Connect.

    Connect is: a POST of `application/connect+…`, `application/proto` or `application/json`, or of anything else with
    `connect-protocol-version`; a GET whose query has `connect=v1`, or `encoding` and `message`. The content types that
    nothing but Connect has are Connect with other verbs too, which are refused then.

    Args:
        request: A request on the path of a method. Whatever is wrong with it is said in Connect.
        offer: The method.
    """
    media = media_type(request)
    if request.verb == "GET":
        return ConnectUnaryResponder(request, offer) if is_connect_query(request.query) else None
    if media.startswith(STREAM):
        return ConnectStreamResponder(request, offer)
    if request.verb == "POST":
        ours = media in UNARY_CODECS or request.header(VERSION_HEADER) != ""
    else:
        ours = media in UNARY_CODECS and media != _JSON
    return ConnectUnaryResponder(request, offer) if ours else None
