"""Who says that a request cannot be answered, and in which words."""

from __future__ import annotations

from edge.model.errors import GatewayError, NoRoute, UnsupportedMedia
from edge.model.http import HttpRequest
from transcoding.headers import media_type
from transcoding.plain import JsonErrors
from transcoding.session import Responder

_LONGEST = 200
"""The most characters of a path that an error quotes."""


class Refusal(Exception):
    """Nobody answers a request: why, and who says so in the caller's protocol."""

    def __init__(self, error: GatewayError, responder: Responder | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.responder = responder if responder is not None else JsonErrors()


def shown(path: str) -> str:
    """Return a path as an error quotes it."""
    return path if len(path) <= _LONGEST else path[:_LONGEST] + "…"


def no_method(request: HttpRequest, protocol: str) -> NoRoute:
    """Return the refusal of a method that no route offers by a protocol."""
    return NoRoute(f"no route offers {shown(request.path)} by {protocol}", metadata={"method": shown(request.path)})


def wrong_media(request: HttpRequest) -> UnsupportedMedia:
    """Return the refusal of a body on a method path that no protocol has."""
    media = media_type(request)[:100]
    forms = (
        "application/json, application/proto, application/connect+json, application/connect+proto and "
        "application/grpc-web"
    )
    what = f"and not `{media}`" if media else "and a content-type is missing"
    return UnsupportedMedia(f"{shown(request.path)} takes {forms} {what}", metadata={"contentType": media})


def not_grpc_here(media: str) -> UnsupportedMedia:
    """Return the refusal of native gRPC on a port that does not speak HTTP/2."""
    return UnsupportedMedia(
        f"`{media[:100]}` needs HTTP/2, which is served on the gateway's gRPC port",
        metadata={"contentType": media[:100]},
    )
