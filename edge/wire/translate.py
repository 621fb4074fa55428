"""Which fields go on to the next connection, and statuses as fields (gRPC doc/PROTOCOL-HTTP2.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from edge.model.call import Call, MetadataPairs
from edge.model.errors import GatewayError
from edge.model.peers import Peer
from edge.model.refusals import metadata_too_large
from edge.model.status import Code, Status
from edge.wire.heads import AnswerHead, Field
from edge.wire.names import HOP, TRACED, name_kind
from edge.wire.request_head import RequestHead
from edge.wire.values import encode_binary

if TYPE_CHECKING:
    from edge.model.snapshot import RoutePlan

OK_HEAD: Final[tuple[Field, ...]] = ((":status", "200"), ("content-type", "application/grpc"))
"""How an answer of our own begins."""

STATUS_OK: Final[tuple[Field, ...]] = (("grpc-status", "0"),)

_TE: Final[Field] = ("te", "trailers")

_HTTP_CODES: Final = {
    400: Code.INTERNAL,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.UNIMPLEMENTED,
    429: Code.UNAVAILABLE,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.UNAVAILABLE,
}
"""gRPC doc/http-grpc-status-mapping.md."""

_RESET_CODES: Final = {
    0x7: Code.UNAVAILABLE,
    0x8: Code.CANCELLED,
    0xB: Code.RESOURCE_EXHAUSTED,
    0xC: Code.PERMISSION_DENIED,
}
"""gRPC doc/PROTOCOL-HTTP2.md, "Errors". Every other error code is INTERNAL."""


def request_fields(head: RequestHead, call: Call, peer: Peer, limit: int) -> tuple[Field, ...]:
    """Return the regular fields for the endpoint, and put the caller's request id, if it has one, into the call.

    Args:
        head: The request.
        call: The call, whose metadata may have been changed by policies.
        peer: Who sent it.
        limit: The most metadata in bytes, as RFC 9113 section 6.5.2 counts it: names, values and 32 for each.

    Raises:
        MetadataTooLarge: the caller sent more.
    """
    fields: Sequence[Field] = head.fields
    if call.metadata is not head.metadata:
        fields = text_fields(call.metadata)
    elif head.simple and 0 <= head.size <= limit:
        call.request_id = ""
        return (_TE, *head.onward, *peer.forwarded)
    found: list[Field] = [_TE]
    request_id = ""
    chain = ""
    trusted = peer.trusted
    size = 0
    for field in fields:
        name, value = field
        size += len(name) + len(value) + 32
        if not (value.isascii() and value.isprintable()):
            continue
        kind = name_kind(name) & (HOP | TRACED)
        if not kind:
            found.append(field)
        elif name == "x-request-id":
            request_id = request_id or value
        elif trusted and kind == TRACED:
            if name == "x-forwarded-for":
                chain = f"{chain}, {value}" if chain else value
            else:
                found.append(field)
    if size > limit:
        raise metadata_too_large(size, limit)
    if not trusted:
        found.extend(peer.forwarded)
    elif peer.ip or chain:
        found.append(("x-forwarded-for", ", ".join([part for part in (chain, peer.ip) if part])))
    if request_id:
        found.append(("x-request-id", request_id))
    call.request_id = request_id
    return tuple(found)


def text_fields(pairs: MetadataPairs) -> list[Field]:
    """Return metadata as it goes on the wire."""
    return [(name, value if isinstance(value, str) else encode_binary(value)) for name, value in pairs]


def answer_fields(head: AnswerHead, plan: RoutePlan) -> tuple[Field, ...]:
    """Return the head of an answer for the caller, after the route's policies."""
    pairs: MetadataPairs = head.fields
    for change in plan.response_changes:
        gone = change.remove.union([name for name, _ in change.set])
        pairs = (*[pair for pair in pairs if pair[0] not in gone], *change.set, *change.append)
    fields = [
        (name, value if isinstance(value, str) else encode_binary(value))
        for name, value in pairs
        if name not in ("content-type", "content-length")
    ]
    kind = head.content_type if head.content_type.startswith("application/grpc") else "application/grpc"
    return ((":status", "200"), ("content-type", kind), *fields)


def status_fields(status: Status) -> tuple[Field, ...]:
    """Return a status as trailers, with its details."""
    fields = [("grpc-status", str(int(status.code)))]
    if status.message:
        fields.append(("grpc-message", escape_message(status.message)))
    if status.details:
        fields.append(("grpc-status-details-bin", encode_binary(status.to_proto().SerializeToString())))
    return tuple(fields)


def refusal_fields(error: GatewayError) -> tuple[Field, ...]:
    """Return a refusal as trailers."""
    return status_fields(error.status)


def escape_message(message: str) -> str:
    """Return the value of `grpc-message`: printable ASCII but `%`, everything else percent-encoded."""
    if message.isascii() and message.isprintable() and "%" not in message and message == message.strip(" "):
        return message
    text = quote(message, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
    inner = text.strip(" ")
    # HTTP/2 knows no values with a blank at an end (RFC 9113 section 8.2.1)
    before = len(text) - len(text.lstrip(" "))
    return "%20" * before + inner + "%20" * (len(text) - before - len(inner)) if inner else "%20" * len(text)


def http_code(status: int) -> Code:
    """Return the code for an answer that is HTTP and not gRPC (gRPC doc/http-grpc-status-mapping.md)."""
    return _HTTP_CODES.get(status, Code.UNKNOWN)


def reset_code(code: int) -> Code:
    """Return the code for a stream that was reset (gRPC doc/PROTOCOL-HTTP2.md)."""
    return _RESET_CODES.get(code, Code.INTERNAL)


def timeout_text(seconds: float) -> str:
    """Return the value of `grpc-timeout`: at most 8 digits, rounded down, at least a nanosecond.

    It is never more than `seconds`, so that no hop adds to what the caller gave.
    """
    if seconds < 0.1:
        return f"{max(int(seconds * 1e9), 1)}n"
    if seconds < 1e4:
        return f"{int(seconds * 1e3)}m"
    return f"{min(int(seconds), 99_999_999)}S"
