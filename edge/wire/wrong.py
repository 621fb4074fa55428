"""What can be wrong with messages and answers, as refusals."""

from __future__ import annotations

from edge.model.call import Call
from edge.model.errors import UpstreamProtocolError
from edge.model.refusals import no_message
from edge.model.status import Code
from edge.wire.heads import AnswerHead
from edge.wire.translate import http_code


def name_of(call: Call) -> str:
    """Return the name of a call's upstream, for words."""
    return f"upstream {call.upstream.name}" if call.upstream is not None else "the gateway's core"


def broken_rule(call: Call, words: str) -> UpstreamProtocolError:
    """Return the refusal of an answer that breaks a rule of gRPC. `words` go on behind the name of the upstream."""
    metadata = {"upstream": call.upstream.name} if call.upstream is not None else {}
    return UpstreamProtocolError(f"{name_of(call)} {words}", metadata=metadata)


def is_grpc(kind: str) -> bool:
    """Whether an answer may be gRPC by its content type. Servers that leave it out, or say "some bytes", are many."""
    return kind[:16] == "application/grpc" or kind in ("", "application/octet-stream")


def not_grpc(call: Call, head: AnswerHead) -> UpstreamProtocolError:
    """Return the refusal of an answer that is HTTP and not gRPC (gRPC doc/http-grpc-status-mapping.md)."""
    kind = f" of type {head.content_type[:100]}" if head.content_type else ""
    name = call.upstream.name if call.upstream is not None else "the gateway's core"
    error = UpstreamProtocolError(
        f"{name} answered with HTTP {head.status}{kind} and not with gRPC",
        metadata={"upstream": name, "httpStatus": str(head.status)},
    )
    error.code = http_code(head.status)  # type: ignore[misc] # the one refusal whose code depends on the answer
    return error


def no_status(call: Call) -> UpstreamProtocolError:
    """Return the refusal of an answer that ends without trailers."""
    error = broken_rule(call, "ended the call without a status")
    error.code = Code.UNKNOWN  # type: ignore[misc] # gRPC doc/http-grpc-status-mapping.md
    return error


def incomplete(call: Call, *, inside: bool) -> UpstreamProtocolError:
    """Return the refusal of an answer that says OK and is not what OK needs. `inside` is for half a message."""
    if inside:
        return broken_rule(call, "ended the call with OK in the middle of a message")
    if not call.response_messages:
        return no_message(call)
    return broken_rule(call, f"ended a unary call with OK and {call.response_messages} messages")


def accepts(accepted: str, coding: str) -> bool:
    """Whether a caller that lists these codings takes messages in one of them."""
    return coding in [part.strip() for part in accepted.split(",")]


def not_accepted(call: Call, coding: str) -> UpstreamProtocolError:
    """Return the refusal of an answer that the caller could not read."""
    what = f"compressed its answer with {coding[:100]}, which the caller does not accept (grpc-accept-encoding)"
    return broken_rule(call, what)


def flag_fits(flag: int, coding: str) -> bool:
    """Whether the flags of messages can be (gRPC doc/compression.md)."""
    return flag == 1 and coding not in ("", "identity")


def bad_flag(whose: str, flag: int) -> UpstreamProtocolError:
    """Return the refusal of a message whose flag cannot be."""
    what = (
        "is marked as compressed without `grpc-encoding`" if flag == 1 else f"has the flag {flag}, which means nothing"
    )
    return UpstreamProtocolError(f"a message of {whose} {what}", metadata={"of": whose})
