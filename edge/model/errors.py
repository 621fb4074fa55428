"""Refusals of the gateway itself, each with a code, a reason, and words that say what, where and how to mend it.

An upstream's own status is never one of these: it is passed on as it is. `reason` is a value of
`gateway.v1.ErrorReason` without its prefix (AIP-193). Whatever the message mentions is in `metadata`; neither ever
holds a secret, a stack or a path of the machine. `cause` is for operators: it goes to log and tap, never to a caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from edge.model.status import Code, Detail, Status

DOMAIN = "gateway.internal"
"""The `domain` of every `google.rpc.ErrorInfo` of ours."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a request or a configuration."""

    field: str
    """The full path of the field, as in `routes[2].matches[0].http.path`."""

    description: str
    """What is wrong and how to mend it, beginning with a lower-case letter, without a full stop."""

    source: str = ""
    """Where the field is, as in `edge.yaml:12:7`. Empty when it did not come from a file."""

    def __str__(self) -> str:
        """Return the violation as a line for people."""
        place = f"{self.source}: " if self.source else ""
        return f"{place}{self.field}: {self.description}" if self.field else f"{place}{self.description}"


class GatewayError(Exception):
    """A refusal of the gateway. Subclasses say which; what they all share is here.

    Args:
        message: What went wrong and how to mend it, for callers.
        metadata: Whatever the message mentions, for programs.
        violations: The fields that are wrong.
        retry_after: Seconds after which another attempt may work, or None.
        cause: What went wrong, for operators only.
    """

    code: ClassVar[Code] = Code.INTERNAL
    reason: ClassVar[str] = "INTERNAL"
    http_status: ClassVar[int | None] = None
    """The HTTP status for HTTP callers where it is not the one that goes with the code."""

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Iterable[Violation] = (),
        retry_after: float | None = None,
        cause: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after = retry_after
        self.cause = cause

    @property
    def status(self) -> Status:
        """The status a caller gets, with ErrorInfo first."""
        details = [_pack(error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata))]
        if self.violations:
            bad_request = error_details_pb2.BadRequest()
            for violation in self.violations:
                entry = bad_request.field_violations.add(field=violation.field, description=violation.description)
                if violation.source:
                    entry.description = f"{violation.source}: {violation.description}"
            details.append(_pack(bad_request))
        if self.retry_after is not None:
            delay = duration_pb2.Duration()
            delay.FromNanoseconds(round(self.retry_after * 1e9))
            details.append(_pack(error_details_pb2.RetryInfo(retry_delay=delay)))
        return Status(self.code, self.message, tuple(details))


def _pack(message: Message) -> Detail:
    packed = any_pb2.Any()
    packed.Pack(message)
    return Detail(packed.type_url, packed.value)


class NoRoute(GatewayError):
    """No route takes the call."""

    code = Code.UNIMPLEMENTED
    reason = "NO_ROUTE"
    http_status = 404


class MethodNotFound(GatewayError):
    """A route takes the call, but its service has no such method."""

    code = Code.UNIMPLEMENTED
    reason = "METHOD_NOT_FOUND"
    http_status = 404


class VerbNotAllowed(GatewayError):
    """The path is known, but not with this verb.

    Args:
        verb: The verb.
        path: The path.
        allow: The verbs that would do.
    """

    code = Code.UNIMPLEMENTED
    reason = "VERB_NOT_ALLOWED"
    http_status = 405

    def __init__(self, verb: str, path: str, allow: Iterable[str]) -> None:
        self.allow = tuple(allow)
        allowed = ", ".join(self.allow)
        super().__init__(f"{path} takes {allowed} and not {verb}", metadata={"method": verb, "allow": allowed})


class WrongCardinality(GatewayError):
    """A unary method was sent no message, or more than one (gRPC doc/statuscodes.md)."""

    code = Code.UNIMPLEMENTED
    reason = "INVALID_REQUEST"
    http_status = 400


class UnsupportedMedia(GatewayError):
    """The body comes in a form that the method does not take. The message says which forms it takes."""

    code = Code.UNIMPLEMENTED
    reason = "UNSUPPORTED_MEDIA"
    http_status = 415


class TranscodingFailed(GatewayError):
    """The HTTP request does not fit the method; `violations` say where."""

    code = Code.INVALID_ARGUMENT
    reason = "TRANSCODING_FAILED"

    @classmethod
    def of(cls, error: InvalidRequest) -> TranscodingFailed:
        """Return the refusal for what a codec or a rule says is wrong with a request."""
        return cls(error.message, violations=error.violations)


class RedirectReply(GatewayError):
    """The route sends HTTP callers elsewhere. Callers of other protocols are refused.

    Args:
        location: Where to.
        status: 301, 302, 303, 307 or 308.
        route: The name of the route.
    """

    code = Code.UNIMPLEMENTED
    reason = "REDIRECT"

    def __init__(self, location: str, status: int, *, route: str) -> None:
        super().__init__(f"{route} sends HTTP callers to {location}", metadata={"route": route})
        self.location = location
        self.http_status = status  # type: ignore[misc] # the one refusal whose status is not known by its class


class NoHealthyEndpoint(GatewayError):
    """The upstream has no endpoint that takes calls."""

    code = Code.UNAVAILABLE
    reason = "NO_HEALTHY_ENDPOINT"


class UpstreamUnreachable(GatewayError):
    """The endpoint could not be reached or broke the connection."""

    code = Code.UNAVAILABLE
    reason = "UPSTREAM_UNREACHABLE"


class UpstreamProtocolError(GatewayError):
    """The endpoint answered with something that is not gRPC, or broke its rules."""

    code = Code.INTERNAL
    reason = "UPSTREAM_PROTOCOL_ERROR"


class MessageTooLarge(GatewayError):
    """A message is larger than a limit. The message names the limit."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "MESSAGE_TOO_LARGE"
    http_status = 413


class ResponseTooLarge(MessageTooLarge):
    """A message of the upstream is larger than a limit, which is nothing an HTTP caller could mend."""

    http_status = 502


class MetadataTooLarge(GatewayError):
    """The metadata is larger than a limit. The message names the limit."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "METADATA_TOO_LARGE"
    http_status = 431


class ConcurrencyLimited(GatewayError):
    """As many calls are under way as there may be."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "CONCURRENCY_LIMITED"


class CircuitOpen(GatewayError):
    """The circuit breaker of the upstream is open."""

    code = Code.UNAVAILABLE
    reason = "CIRCUIT_OPEN"


class DeadlineExceeded(GatewayError):
    """A time limit has passed. The message says whose."""

    code = Code.DEADLINE_EXCEEDED
    reason = "DEADLINE"


class DirectReply(GatewayError):
    """The route answers by itself, with the code it says. OK is an answer too: an empty message."""

    reason = "DIRECT_RESPONSE"

    def __init__(self, code: Code, message: str, *, route: str) -> None:
        super().__init__(message, metadata={"route": route})
        self.code = code  # type: ignore[misc] # the one refusal whose code is not known by its class


class Draining(GatewayError):
    """The gateway is shutting down."""

    code = Code.UNAVAILABLE
    reason = "DRAINING"


class InternalError(GatewayError):
    """Something unexpected went wrong in the gateway. The log has it under the id in the message."""

    code = Code.INTERNAL
    reason = "INTERNAL"


class NotAvailable(GatewayError):
    """This version of the gateway does not have that yet."""

    code = Code.UNIMPLEMENTED
    reason = "NOT_AVAILABLE"


class InvalidRequest(GatewayError):
    """A request of the gateway API or a configuration is wrong; `violations` says where."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_REQUEST"

    @classmethod
    def of(cls, violations: Iterable[Violation]) -> InvalidRequest:
        """Return the error for these violations, with a message that quotes the first and counts the rest."""
        found = tuple(violations)
        rest = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return cls(f"{found[0]}{rest}", violations=found)
