"""A rule of `google.api.http`, ready for calls: request in, message out, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from edge.model.errors import UpstreamProtocolError
from transcoding.codec import JsonValue
from transcoding.offer import Offer
from transcoding.rules.binding import Binding
from transcoding.rules.fields import Tables
from transcoding.rules.mask import auto_mask

_NO_HEADER = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
"""What no value of a header has in it (RFC 9110 section 5.5)."""

HTTP_BODY = "google.api.HttpBody"
"""Its data are the body as they are, its content_type is the content type."""


class RestRule:
    """One rule of one method of a route, with all that can be known before a call.

    Args:
        binding: The rule, compiled.
        offer: The method.
        tables: The message types compiled so far.
    """

    __slots__ = (
        "_ignored",
        "_input",
        "_mask",
        "_output",
        "_unknown",
        "binding",
        "body_is_raw",
        "has_body",
        "offer",
        "open_ended",
        "response_is_raw",
    )

    def __init__(self, binding: Binding, offer: Offer, tables: Tables) -> None:
        self.binding = binding
        self.offer = offer
        self._input = GetMessageClass(binding.method.input_type)
        self._output = GetMessageClass(binding.method.output_type)
        self._mask = auto_mask(binding, tables) if offer.transcoding.update_mask else None
        self._unknown = offer.codec.options.unknown_fields
        self._ignored = offer.transcoding.ignored_query_parameters
        self.has_body = binding.body is not None
        """Whether the request has a body."""
        self.body_is_raw = _is_http_body(_body_type(binding))
        """Whether the body of the request goes into a HttpBody as it is."""
        self.response_is_raw = _is_http_body(
            binding.method.output_type if binding.response_body is None else _singular(binding.response_body)
        )
        """Whether the answer is the data of a HttpBody as they are."""
        segments = binding.template.segments
        self.open_ended = bool(segments) and str(segments[-1]) == "**"
        """Whether the template ends in `**`."""

    def message(self, variables: Mapping[str, str], query: str, tree: JsonValue | None) -> Message:
        """Return the request message.

        Args:
            variables: What the path bound.
            query: The query, as sent.
            tree: The JSON of the body. None when there is no body or an empty one.

        Raises:
            InvalidRequest: something does not fit.
        """
        binding, codec = self.binding, self.offer.codec
        body = binding.body
        if body == "*" and tree is not None:
            message = codec.parse_tree(binding.method.input_type, tree, report=self.offer.unknown)
        else:
            message = self._input()
            if tree is not None and isinstance(body, FieldDescriptor):
                self._merge_body(message, body, tree)
        self._bind(message, variables, query)
        if self._mask is not None and tree is not None:
            self._mask.fill(message, tree)
        return message

    def raw_message(self, variables: Mapping[str, str], query: str, data: bytes, content_type: str) -> Message:
        """Return the request message for a body that is a HttpBody.

        Args:
            variables: What the path bound. Empty for all but the first message of an upload.
            query: The query, as sent.
            data: The body.
            content_type: Its content type. Empty when it has none.

        Raises:
            InvalidRequest: something does not fit.
        """
        message = self._input()
        body = self.binding.body
        target: Any = getattr(message, body.name) if isinstance(body, FieldDescriptor) else message
        if isinstance(body, FieldDescriptor):
            target.SetInParent()
        target.content_type = content_type
        target.data = data
        if variables or query:
            self._bind(message, variables, query)
        return message

    def response(self, message: bytes) -> Message:
        """Return the response message for what the upstream sent.

        Raises:
            UpstreamProtocolError: it is no such message.
        """
        try:
            return self._output.FromString(message)
        except DecodeError as error:
            name = self.binding.method.output_type.full_name
            raise UpstreamProtocolError(
                f"the upstream answered with bytes that are no {name}; does its schema differ from the one in force?",
                metadata={"method": self.offer.method.path},
                cause=str(error),
            ) from None

    def text(self, message: Message) -> bytes:
        """Return the JSON of an answer: the whole message, or the field that is the body."""
        field = self.binding.response_body
        codec = self.offer.codec
        return codec.print(message) if field is None else codec.print_field(message, field)

    def raw(self, message: Message) -> tuple[str, bytes]:
        """Return content type and data of an answer that is a HttpBody.

        Raises:
            UpstreamProtocolError: HTTP has no such content type.
        """
        field = self.binding.response_body
        body: Any = message if field is None else getattr(message, field.name)
        kind: str = body.content_type
        if _NO_HEADER.search(kind) is not None:
            raise UpstreamProtocolError(
                f"the upstream answered with a HttpBody of the content type {kind[:100]!a}, which no header can hold",
                metadata={"method": self.offer.method.path},
            )
        return kind, body.data

    def _bind(self, message: Message, variables: Mapping[str, str], query: str) -> None:
        if variables:
            self.binding.path.bind(message, variables)
        if query:
            self.binding.query.bind(
                message, query, unknown=self._unknown, ignored=self._ignored, report=self.offer.unknown
            )

    def _merge_body(self, message: Message, field: FieldDescriptor, tree: JsonValue) -> None:
        self.offer.codec.merge_field(message, field, tree, report=self.offer.unknown)


def _body_type(binding: Binding) -> Descriptor | None:
    body = binding.body
    if body == "*":
        return binding.method.input_type
    return _singular(body) if isinstance(body, FieldDescriptor) else None


def _singular(field: FieldDescriptor) -> Descriptor | None:
    return None if field.is_repeated else field.message_type


def _is_http_body(message: Descriptor | None) -> bool:
    return message is not None and message.full_name == HTTP_BODY
