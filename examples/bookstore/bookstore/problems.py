"""What callers of the bookstore are refused with: a gRPC status and its `google.rpc` details."""

from __future__ import annotations

import datetime

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

DOMAIN = "bookstore.example.com"


class Problem(Exception):
    """A refusal: the status, the message and the details that go with it."""

    def __init__(self, code: grpc.StatusCode, message: str, *details: Message) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """Return the trailing metadata that carries the details."""
        status = status_pb2.Status(code=code_pb2.Code.Value(self.code.name), message=self.message)
        for detail in self.details:
            status.details.add().Pack(detail)
        return (("grpc-status-details-bin", status.SerializeToString()),)


def _info(reason: str, **metadata: str) -> Message:
    info: Message = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)
    return info


def _resource(kind: str, name: str) -> Message:
    resource: Message = error_details_pb2.ResourceInfo(resource_type=f"{DOMAIN}/{kind}", resource_name=name)
    return resource


def invalid(field: str, description: str) -> Problem:
    """Return the refusal of a request whose `field` is wrong."""
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
    return Problem(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"{field}: {description}",
        _info("INVALID_REQUEST", field=field),
        error_details_pb2.BadRequest(field_violations=[violation]),
    )


def not_found(kind: str, name: str) -> Problem:
    """Return the refusal of a call for something that is not there."""
    return Problem(
        grpc.StatusCode.NOT_FOUND,
        f"there is no {kind.lower()} {name!r}",
        _info("NOT_FOUND", name=name),
        _resource(kind, name),
    )


def exists(kind: str, name: str) -> Problem:
    """Return the refusal to create something a second time."""
    return Problem(
        grpc.StatusCode.ALREADY_EXISTS,
        f"there is a {kind.lower()} {name!r} already",
        _info("ALREADY_EXISTS", name=name),
        _resource(kind, name),
    )


def stale(name: str) -> Problem:
    """Return the refusal of an update that knows an older version."""
    return Problem(
        grpc.StatusCode.ABORTED,
        f"{name!r} was changed by somebody else: get it again and repeat the change",
        _info("ETAG_MISMATCH", name=name),
        _resource("Book", name),
    )


def not_empty(name: str, count: int) -> Problem:
    """Return the refusal to delete a shelf with books."""
    violation = error_details_pb2.PreconditionFailure.Violation(
        type="NOT_EMPTY", subject=name, description=f"{count} books are on the shelf; set `force` to delete them too"
    )
    return Problem(
        grpc.StatusCode.FAILED_PRECONDITION,
        f"shelf {name!r} is not empty",
        _info("SHELF_NOT_EMPTY", name=name, count=str(count)),
        error_details_pb2.PreconditionFailure(violations=[violation]),
    )


def out_of_stock(name: str, wanted: int, left: int, restock: datetime.timedelta) -> Problem:
    """Return the refusal of an order for more copies than there are."""
    delay = Duration()
    delay.FromTimedelta(restock)
    violation = error_details_pb2.PreconditionFailure.Violation(
        type="OUT_OF_STOCK", subject=name, description=f"{wanted} wanted, {left} left"
    )
    link = error_details_pb2.Help.Link(description="Ask a bookseller", url=f"https://{DOMAIN}/help/out-of-stock")
    return Problem(
        grpc.StatusCode.FAILED_PRECONDITION,
        f"{left} copies of {name!r} are left, {wanted} are wanted",
        _info("OUT_OF_STOCK", name=name, wanted=str(wanted), left=str(left)),
        error_details_pb2.PreconditionFailure(violations=[violation]),
        error_details_pb2.RetryInfo(retry_delay=delay),
        error_details_pb2.Help(links=[link]),
        error_details_pb2.LocalizedMessage(locale="de-DE", message="Davon sind nicht mehr genug da."),
    )
