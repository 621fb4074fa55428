"""What unary calls and streams of Connect have in common: names, headers, errors, the forms of messages."""

from __future__ import annotations

from typing import Protocol

import orjson
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from edge.model.call import MetadataPairs
from edge.model.errors import InvalidRequest, UnsupportedMedia, UpstreamProtocolError, Violation
from edge.model.http import HttpRequest
from edge.model.status import HTTP_STATUS
from transcoding.codec import Codec
from transcoding.ending import Ending
from transcoding.framing import frame
from transcoding.headers import from_metadata
from transcoding.limits import BODY_FACTOR, BODY_MARGIN
from transcoding.messages import serialize
from transcoding.offer import Offer
from transcoding.render import connect_error
from transcoding.session import Session

VERSION_HEADER = "connect-protocol-version"
STREAM = "application/connect+"
UNARY_CODECS = {"application/json": "json", "application/proto": "proto"}
STREAM_CODECS = {f"{STREAM}json": "json", f"{STREAM}proto": "proto"}

TRAILER = "trailer-"

END_STREAM = 0x02
"""The flag of the frame that ends an answer."""


class Form(Protocol):
    """How messages are written on the caller's side."""

    name: str
    """`json` or `proto`."""

    def read(self, data: bytes) -> bytes:
        """Return the caller's message for the upstream.

        Raises:
            InvalidRequest: it does not fit.
        """
        ...

    def write(self, message: bytes) -> bytes:
        """Return the upstream's message for the caller.

        Raises:
            UpstreamProtocolError: it is no message of the method's type.
            GatewayError: it has no such form.
        """
        ...

    def limit(self, message_bytes: int) -> int:
        """Return how many bytes a message of so many bytes may have on the caller's side."""
        ...


class ProtoForm:
    """Protobuf: the bytes pass as they are."""

    name = "proto"

    def read(self, data: bytes) -> bytes:
        """Return the message."""
        return data

    def write(self, message: bytes) -> bytes:
        """Return the message."""
        return message

    def limit(self, message_bytes: int) -> int:
        """Return the same number."""
        return message_bytes


class JsonForm:
    """JSON, by the codec of the route.

    Args:
        offer: The method.
    """

    __slots__ = ("_answer", "_codec", "_descriptor", "_offer")

    name = "json"

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._codec: Codec = offer.codec
        self._descriptor = offer.descriptor.input_type
        self._answer = GetMessageClass(offer.descriptor.output_type)

    def read(self, data: bytes) -> bytes:
        """Return a JSON text as protobuf.

        Raises:
            InvalidRequest: it is no JSON, which no text at all is neither, or does not fit.
        """
        return serialize(self._codec.parse(self._descriptor, data, report=self._offer.unknown))

    def write(self, message: bytes) -> bytes:
        """Return protobuf as JSON.

        Raises:
            UpstreamProtocolError: it is no message of the method's type.
            Unprintable: it has no JSON form.
        """
        try:
            parsed = self._answer.FromString(message)
        except DecodeError:
            name = self._offer.descriptor.output_type.full_name
            raise UpstreamProtocolError(f"the upstream answered with something that is no {name}") from None
        return self._codec.print(parsed)

    def limit(self, message_bytes: int) -> int:
        """Return more: JSON is longer."""
        return message_bytes * BODY_FACTOR + BODY_MARGIN


def form_of(name: str, offer: Offer) -> Form:
    """Return a form by its name, `json` or `proto`."""
    return JsonForm(offer) if name == "json" else ProtoForm()


def check_version(request: HttpRequest) -> None:
    """Refuse a version of Connect that is not known. None at all is taken for the first.

    Raises:
        InvalidRequest: it is another one.
    """
    version = request.header(VERSION_HEADER)
    if version not in ("", "1"):
        raise wrong_version(f"header {VERSION_HEADER}", version, "1")


def wrong_version(place: str, version: str, known: str) -> InvalidRequest:
    """Return the refusal of a version.

    Args:
        place: Where it is.
        version: What it is.
        known: What it should be.
    """
    return InvalidRequest.of([Violation(place, f"version `{shown(version)}` is not known; send `{known}`")])


def unknown_codec(found: str, offer: Offer) -> UnsupportedMedia:
    """Return the refusal of a content type, with those that the method takes.

    Args:
        found: What was sent.
        offer: The method.
    """
    taken = accepted_types(offer)
    what = f"takes {' and '.join(taken)}, and not `{shown(found)}`" if found else f"needs one of {' and '.join(taken)}"
    return UnsupportedMedia(f"{offer.method.path} {what}", metadata={"contentType": shown(found)})


def accepted_types(offer: Offer) -> tuple[str, ...]:
    """Return the content types of a method."""
    return tuple(STREAM_CODECS if offer.streams else UNARY_CODECS)


def headers_of(metadata: MetadataPairs, prefix: str = "") -> list[tuple[str, str]]:
    """Return metadata as headers, without what Connect reserves for itself.

    Args:
        metadata: Initial or trailing metadata.
        prefix: What each name begins with: `trailer-` for the trailing metadata of unary calls.
    """
    return from_metadata([pair for pair in metadata if not pair[0].startswith("connect-")], prefix)


def end_stream(ending: Ending, codec: Codec | None) -> bytes:
    """Return the frame that ends a stream (Connect protocol, EndStreamResponse).

    Args:
        ending: How the call ended.
        codec: JSON for the schema of the upstream, which may know the types of the details.
    """
    content: dict[str, object] = {}
    if not ending.status.ok:
        content["error"] = connect_error(ending.status, codec)
    metadata: dict[str, list[str]] = {}
    for name, value in headers_of(ending.trailing):
        metadata.setdefault(name, []).append(value)
    if metadata:
        content["metadata"] = metadata
    return frame(END_STREAM, orjson.dumps(content))


async def respond_error(session: Session, ending: Ending, offer: Offer | None) -> None:
    """Answer with an error that is not in a stream (Connect protocol, Unary-Response).

    Args:
        session: The call.
        ending: How it ended.
        offer: The method, or None when there is none.
    """
    status, headers = ending.http_status, list(ending.headers)
    if status < 400:
        # a redirect of the route: for Connect it is nothing but a refusal
        status, headers = HTTP_STATUS[ending.status.code], []
    if status == 415 and offer is not None:
        headers += [("accept-post", ", ".join(accepted_types(offer))), ("accept-encoding", "gzip, identity")]
    body = orjson.dumps(connect_error(ending.status, offer.codec if offer is not None else None))
    content = ("content-type", "application/json")
    await session.respond(
        status, [content, *headers, *headers_of(ending.initial), *headers_of(ending.trailing, TRAILER)], body
    )


def shown(text: str) -> str:
    """Return what a caller sent, fit for a message."""
    return text[:100].encode("ascii", "replace").decode()
