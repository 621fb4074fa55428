"""How a call ended: the status codes of gRPC and a status with details.

Source: gRPC doc/statuscodes.md and google/rpc/status.proto.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from google.protobuf import any_pb2
from google.rpc import status_pb2


class Code(enum.IntEnum):
    """A gRPC status code."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HTTP_STATUS: dict[Code, int] = {
    Code.OK: 200,
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
"""The HTTP status of each code, by google/rpc/code.proto. A missing route is answered with 404 instead of 501."""


_HTTP_CODES: dict[int, Code] = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    409: Code.ABORTED,
    429: Code.RESOURCE_EXHAUSTED,
    499: Code.CANCELLED,
    501: Code.UNIMPLEMENTED,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}


def code_of_http(status: int) -> Code:
    """Return the code under which an answer of a plain HTTP upstream is counted: `HTTP_STATUS` read backwards.

    Statuses below 400 are OK. Of the codes that share a status the more general is taken; what no code has is
    FAILED_PRECONDITION for a fault of the caller (4xx), INTERNAL for one of the upstream, and UNAVAILABLE for 502.
    """
    if status < 400:
        return Code.OK
    return _HTTP_CODES.get(status) or (Code.FAILED_PRECONDITION if status < 500 else Code.INTERNAL)


@dataclass(frozen=True, slots=True)
class Detail:
    """One detail of a status, as `google.protobuf.Any` holds it. The type need not be known."""

    type_url: str
    """The type, as in `type.googleapis.com/google.rpc.ErrorInfo`."""

    value: bytes
    """The serialized message."""


@dataclass(frozen=True, slots=True)
class Status:
    """A code, a message for people and details for programs."""

    code: Code
    """The gRPC status code."""

    message: str = ""
    """The message for people. Any text; the wire form encodes it."""

    details: tuple[Detail, ...] = ()
    """The details for programs."""

    packed: bytes = b""
    """What an upstream put into `grpc-status-details-bin`, for protocols that carry it as it is. Empty for none."""

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return self.code is Code.OK

    def to_proto(self) -> status_pb2.Status:
        """Return the status as `google.rpc.Status`."""
        return status_pb2.Status(
            code=int(self.code),
            message=self.message,
            details=[any_pb2.Any(type_url=detail.type_url, value=detail.value) for detail in self.details],
        )
