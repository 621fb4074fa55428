"""Frames to request messages, together with what the URL says."""

from __future__ import annotations

from typing import Protocol

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from edge.model.errors import InvalidRequest, UpstreamProtocolError, Violation
from transcoding.codec import JsonValue
from transcoding.messages import serialize
from transcoding.offer import Offer
from transcoding.websocket.framing import JsonBody, ProtoBody


class RequestTemplate(Protocol):
    """What a URL says of the requests, by the rule it matches."""

    @property
    def needs_body(self) -> bool:
        """Whether the rule has a `body`. Without one, the URL says all there is of a single request."""
        ...

    @property
    def response_body(self) -> FieldDescriptor | None:
        """The field of the response that callers get in JSON, or None for the whole message."""
        ...

    def message(self, body: JsonValue | None) -> Message:
        """Return a request.

        Args:
            body: What the rule's `body` is set to. None leaves it unset, and then only the URL is looked at.

        Raises:
            InvalidRequest: URL or body do not fit the message.
        """
        ...


class Requests:
    """Makes the requests of one call, and the JSON of its responses.

    Args:
        offer: The method.
        template: What the URL says, or None when it is the path of the method.
    """

    __slots__ = ("_offer", "_response", "_template", "_url")

    def __init__(self, offer: Offer, template: RequestTemplate | None) -> None:
        self._offer = offer
        self._template = template
        self._url: Message | None = None
        self._response = GetMessageClass(offer.descriptor.output_type)

    def bind(self) -> bytes | None:
        """Look at the URL.

        Returns:
            The request, when the method takes just one and the URL says it all; else None.

        Raises:
            InvalidRequest: the URL does not fit the message.
        """
        template = self._template
        if template is None:
            return None
        self._url = template.message(None)
        return None if template.needs_body or self._offer.streams_requests else serialize(self._url)

    def read(self, body: JsonBody | ProtoBody) -> bytes:
        """Return the request that a frame says. What the URL says goes before what the frame says.

        Raises:
            InvalidRequest: it does not fit the message.
        """
        offer, url = self._offer, self._url
        if isinstance(body, ProtoBody):
            if url is None:
                return body.data  # the upstream reads it, as it does for native callers
            message: Message = GetMessageClass(offer.descriptor.input_type)()
            try:
                message.MergeFromString(body.data)
            except DecodeError:
                name = offer.descriptor.input_type.full_name
                raise InvalidRequest.of([Violation("", f"the frame holds no serialized `{name}`")]) from None
            message.MergeFrom(url)
        elif body.tree is None:
            raise InvalidRequest.of([Violation("", "the message is null; send a value")])
        elif self._template is not None and self._template.needs_body:
            message = self._template.message(body.tree)
        else:
            message = offer.codec.parse_tree(offer.descriptor.input_type, body.tree, report=offer.unknown)
            if url is not None:
                message.MergeFrom(url)
        return serialize(message)

    def to_json(self, data: bytes) -> bytes:
        """Return a serialized response as JSON.

        Raises:
            UpstreamProtocolError: it is no such message.
            Unprintable: it has no JSON form.
        """
        try:
            message = self._response.FromString(data)
        except DecodeError:
            name = self._offer.descriptor.output_type.full_name
            raise UpstreamProtocolError(f"the upstream's response is no serialized `{name}`") from None
        field = self._template.response_body if self._template is not None else None
        return self._offer.codec.print(message) if field is None else self._offer.codec.print_field(message, field)
