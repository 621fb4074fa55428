"""What a caller of any protocol gets of a call, in one form, so that protocols can be compared."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from google.protobuf import any_pb2, descriptor_pool, json_format, wrappers_pb2
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from tests.corpus.http1 import Answer, Request, exchange

SHAPES = ("Unary", "ServerStream", "ClientStream", "Bidi")
STREAMED = ("ServerStream", "Bidi")
"""The shapes whose answer is a stream."""


Addresses = tuple[str, str]
"""The ports of a gateway: gRPC, HTTP."""


@dataclass(frozen=True)
class Ask:
    """A call to make."""

    case: str
    """What selects the route."""

    path: str
    """The path of the method."""

    rest: str
    """The path of its rule."""

    shape: str
    """One of `SHAPES`."""

    do: str = ""
    """What the upstream is asked to do."""

    size: int = 1
    """The bytes in the request message."""

    timeout: float | None = None
    """The seconds the caller waits."""

    bad: bool = False
    """Whether the request is one that the protocol cannot read."""


@dataclass
class Outcome:
    """What came back."""

    http: int = 200
    """The HTTP status; 101 for a WebSocket that was accepted."""

    code: int = -1
    """The gRPC code, or what the protocol has in its place."""

    message: str = ""
    """The words."""

    details: list[any_pb2.Any] | None = field(default_factory=list)
    """The details; None when the protocol has no place for any."""

    messages: list[bytes] = field(default_factory=list)
    """The `data` of the messages before the end."""

    initial: dict[str, list[str]] | None = field(default_factory=dict)
    """Headers; None when the protocol has no place for any."""

    trailing: dict[str, list[str]] | None = field(default_factory=dict)
    """Trailers; None when the protocol has no place for any."""

    close: int | None = None
    """The code a WebSocket was closed with."""

    @property
    def reason(self) -> str:
        """The reason within the ErrorInfo of the gateway, or nothing."""
        for detail in self.details or ():
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and info.domain == "gateway.internal":
                return str(info.reason)
        return ""

    @property
    def fields(self) -> list[str]:
        """The fields that a BadRequest names."""
        for detail in self.details or ():
            bad = error_details_pb2.BadRequest()
            if detail.Unpack(bad):
                return [violation.field for violation in bad.field_violations]
        return []

    def take(self, status: status_pb2.Status) -> None:
        """Take over code, message and details."""
        self.code, self.message, self.details = status.code, status.message, list(status.details)

    def take_json(self, tree: Any) -> None:
        """Take over a `google.rpc.Status` in JSON, whatever the types of its details.

        Raises:
            AssertionError: it is none.
        """
        assert isinstance(tree, dict), tree
        assert tree.keys() == {"code", "message", "details"}, tree
        assert isinstance(tree["code"], int), tree
        assert isinstance(tree["message"], str), tree
        self.code, self.message = tree["code"], tree["message"]
        self.details = [detail(entry) for entry in tree["details"]]


def detail(tree: Mapping[str, Any]) -> any_pb2.Any:
    """Return a detail from its JSON: of a type that nobody knows, `value` is base64."""
    url, rest = tree["@type"], {key: value for key, value in tree.items() if key != "@type"}
    name = url.rpartition("/")[2]
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        assert rest.keys() == {"value"}, tree
        return any_pb2.Any(type_url=url, value=base64.b64decode(rest["value"], validate=True))
    message = json_format.ParseDict(rest, GetMessageClass(descriptor)())
    return any_pb2.Any(type_url=url, value=message.SerializeToString(deterministic=True))


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return pairs by name."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name.lower(), []).append(value)
    return found


def blob(data: bytes) -> bytes:
    """Return a serialized Blob: bytes in field 1, like a BytesValue."""
    return wrappers_pb2.BytesValue(value=data).SerializeToString()


def blob_data(message: bytes) -> bytes:
    """Return what a serialized Blob holds."""
    return wrappers_pb2.BytesValue.FromString(message).value


def json_blob(size: int) -> bytes:
    """Return a Blob of zeros in JSON."""
    return orjson.dumps({"data": base64.b64encode(bytes(size)).decode()})


def json_data(tree: Any) -> bytes:
    """Return what a Blob in JSON holds."""
    assert isinstance(tree, dict), tree
    assert tree.keys() <= {"data"}, tree
    return base64.b64decode(tree.get("data", ""), validate=True)


async def exchange_whole(address: str, ask: Ask, request: Request) -> Answer:
    """Send a request of a call and return the answer.

    Raises:
        AssertionError: it did not end as HTTP/1.1 has it.
    """
    request = replace(request, headers=(*request.headers, ("x-case", ask.case), ("x-do", ask.do)))
    answer = await exchange(address, "matrix.test", request)
    assert answer.complete, answer
    return answer
