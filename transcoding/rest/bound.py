"""What the URL of a WebSocket says, by the rule that it matches."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from transcoding.codec import JsonValue
from transcoding.rest.rule import RestRule


class BoundRequest:
    """A rule with what a URL binds; the `RequestTemplate` of a WebSocket.

    Args:
        rule: The rule.
        variables: What the path bound.
        query: The query, as sent.
    """

    __slots__ = ("_query", "_rule", "_variables")

    def __init__(self, rule: RestRule, variables: Mapping[str, str], query: str) -> None:
        self._rule = rule
        self._variables = variables
        self._query = query

    @property
    def needs_body(self) -> bool:
        """Whether the rule has a `body`."""
        return self._rule.has_body

    @property
    def response_body(self) -> FieldDescriptor | None:
        """The field of the response that callers get, or None for the whole message."""
        return self._rule.binding.response_body

    def message(self, body: JsonValue | None) -> Message:
        """Return a request.

        Raises:
            InvalidRequest: URL or body do not fit the message.
        """
        return self._rule.message(self._variables, self._query, body)
