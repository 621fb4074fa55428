"""The one place where a status becomes what a caller reads: JSON, a Connect error, gRPC-Web trailers, a close code.

Details keep whatever type they have: one that is in no pool is written as `{"@type": …, "value": base64}`, and never
costs the others.
"""

from __future__ import annotations

from base64 import b64encode

import orjson
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2

from edge.model.call import MetadataPairs
from edge.model.errors import GatewayError
from edge.model.status import Code, Detail, Status
from transcoding.codec import Codec, CodecOptions
from transcoding.headers import encode_binary, percent_encode

_NO_LINE_ENDS = {ord("\r"): " ", ord("\n"): " ", 0: " "}

_BUNDLED = Codec(error_details_pb2.DESCRIPTOR.pool, CodecOptions())
"""Prints the details of google/rpc/error_details.proto, which services tend not to reflect."""

CONNECT_CODES: dict[Code, str] = {
    Code.CANCELLED: "canceled",
    Code.UNKNOWN: "unknown",
    Code.INVALID_ARGUMENT: "invalid_argument",
    Code.DEADLINE_EXCEEDED: "deadline_exceeded",
    Code.NOT_FOUND: "not_found",
    Code.ALREADY_EXISTS: "already_exists",
    Code.PERMISSION_DENIED: "permission_denied",
    Code.RESOURCE_EXHAUSTED: "resource_exhausted",
    Code.FAILED_PRECONDITION: "failed_precondition",
    Code.ABORTED: "aborted",
    Code.OUT_OF_RANGE: "out_of_range",
    Code.UNIMPLEMENTED: "unimplemented",
    Code.INTERNAL: "internal",
    Code.UNAVAILABLE: "unavailable",
    Code.DATA_LOSS: "data_loss",
    Code.UNAUTHENTICATED: "unauthenticated",
}
"""The names of the codes (Connect protocol, Error Codes)."""

WEB_SOCKET_CLOSE = 4000
"""A WebSocket is closed with this and the gRPC code, 4000 to 4016 (RFC 6455 section 7.4.2: for private use)."""


def status_tree(status: Status, codec: Codec | None = None) -> dict[str, object]:
    """Return a status as the JSON form of `google.rpc.Status`.

    Args:
        status: The status.
        codec: JSON for the schema of the upstream, which may know the types of the details.
    """
    return {
        "code": int(status.code),
        "message": _text(status.message),
        "details": [_detail(detail, codec) for detail in status.details],
    }


def status_json(status: Status, codec: Codec | None = None) -> bytes:
    """Return a status as JSON; see `status_tree`."""
    return orjson.dumps(status_tree(status, codec))


def error_line(status: Status, codec: Codec | None = None) -> bytes:
    """Return the object that ends a stream which failed after its beginning: `{"error": google.rpc.Status}`."""
    return orjson.dumps({"error": status_tree(status, codec)})


def connect_error(status: Status, codec: Codec | None = None) -> dict[str, object]:
    """Return a status as a Connect error: code by name, message, details as base64 with a readable form beside.

    Source: Connect protocol, "Error End-Stream" and "Error Details".
    """
    error: dict[str, object] = {"code": CONNECT_CODES.get(status.code, "unknown")}
    if status.message:
        error["message"] = _text(status.message)
    if status.details:
        error["details"] = [_connect_detail(detail, codec) for detail in status.details]
    return error


def web_trailers(status: Status, trailing: MetadataPairs) -> bytes:
    """Return a status and trailing metadata as the lines of a gRPC-Web trailer frame.

    Source: gRPC doc/PROTOCOL-WEB.md: names in lower case, one line each, CR LF behind each.
    """
    lines = [f"{name}: {value}\r\n" for name, value in web_status(status)]
    for name, value in trailing:
        if name in ("grpc-status", "grpc-message"):
            continue
        # a line end within a value would forge a line
        text = value.translate(_NO_LINE_ENDS) if isinstance(value, str) else encode_binary(value)
        lines.append(f"{name}: {text}\r\n")
    return "".join(lines).encode("latin-1", "replace")


def web_status(status: Status) -> list[tuple[str, str]]:
    """Return a status as the headers or trailers of gRPC: code, percent-encoded message, details."""
    pairs = [("grpc-status", str(int(status.code)))]
    if status.message:
        pairs.append(("grpc-message", percent_encode(status.message)))
    if packed := status.packed or (status.details and status.to_proto().SerializeToString()):
        pairs.append(("grpc-status-details-bin", encode_binary(packed)))
    return pairs


def close_code(status: Status) -> int:
    """Return the code a WebSocket is closed with: 1000 for OK, else 4000 and the gRPC code."""
    return 1000 if status.ok else WEB_SOCKET_CLOSE + int(status.code)


def _text(message: str) -> str:
    """Return a message as JSON can hold it: without lone surrogates, which a quoted input may have."""
    return message if message.isascii() else message.encode("utf-8", "replace").decode()


def _connect_detail(detail: Detail, codec: Codec | None) -> dict[str, object]:
    name = detail.type_url.rpartition("/")[2]
    found: dict[str, object] = {"type": name, "value": b64encode(detail.value).decode("ascii").rstrip("=")}
    message, printer = _message(name, detail.value, codec)
    if message is not None and printer is not None:
        try:
            found["debug"] = printer.tree(message)
        except (GatewayError, ValueError, TypeError):
            return found
    return found


def _detail(detail: Detail, codec: Codec | None) -> dict[str, object]:
    name = detail.type_url.rpartition("/")[2]
    message, printer = _message(name, detail.value, codec)
    if message is not None and printer is not None:
        try:
            tree = printer.tree(message)
        except (GatewayError, ValueError, TypeError):
            tree = None  # it holds something that has no JSON form, such as an Any of an unknown type
        if isinstance(tree, dict) and not name.startswith("google.protobuf."):
            return {"@type": detail.type_url, **tree}
        if tree is not None:
            return {"@type": detail.type_url, "value": tree}
    return {"@type": detail.type_url, "value": b64encode(detail.value).decode("ascii")}


def _message(name: str, value: bytes, codec: Codec | None) -> tuple[Message | None, Codec | None]:
    """Return a detail as a message, and what prints it, or nothing when its type is not known."""
    for printer in (codec, _BUNDLED):
        if printer is None:
            continue
        descriptor = _descriptor(printer, name)
        if descriptor is not None:
            try:
                return GetMessageClass(descriptor).FromString(value), printer
            except DecodeError:
                return None, None
    return None, None


def _descriptor(codec: Codec, name: str) -> Descriptor | None:
    try:
        return codec.pool.FindMessageTypeByName(name)
    except KeyError:
        return None
