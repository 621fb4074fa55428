"""The upstream of the matrix: it does what the request's `x-do` says, also what no gRPC library would."""

from __future__ import annotations

import asyncio
import base64

from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from tests.integration.matrix.outcome import blob
from tests.support.raw_peer import RawStream, frame

GAP = 0.05
"""The seconds between a message and the death of the upstream."""
CODE = 10
MESSAGE = "kein „Bücherregal“ 本 100 % 🜁"
DETAILS = [
    any_pb2.Any(
        type_url="type.googleapis.com/google.rpc.ErrorInfo",
        value=error_details_pb2.ErrorInfo(reason="SHELF_GONE", domain="books.test").SerializeToString(),
    ),
    # nobody has a descriptor of this
    any_pb2.Any(type_url="type.googleapis.com/nobody.v1.Secret", value=b"\x08\x96\x01\xff\x00\x7f"),
    any_pb2.Any(
        type_url="type.googleapis.com/google.rpc.LocalizedMessage",
        value=error_details_pb2.LocalizedMessage(locale="de", message="Das Regal ist weg").SerializeToString(),
    ),
]
BITS = bytes((0, 255, 7))
BITS_TEXT = base64.b64encode(BITS).decode().rstrip("=")
HEADS = [(":status", "200"), ("content-type", "application/grpc"), ("x-first", "one"), ("x-first-bin", BITS_TEXT)]
FIRST = b"first"


async def answer(stream: RawStream) -> None:
    """Do what the caller asks for, after its first message."""
    await stream.messages(1)
    what, first, _ = (stream.header("x-do") or "").partition("-after-one")
    if first:
        await stream.send_headers(HEADS)
        await stream.send(frame(blob(FIRST)))
    match what:
        case "fail":
            if not first:
                await stream.send_headers(HEADS)
            await stream.send_headers(trailers(), end=True)
        case "hang":
            await stream.until(lambda: stream.reset is not None)
        case "big":
            if not first:
                await stream.send_headers(HEADS)
            await stream.send(frame(blob(bytes(2000))))
            await stream.send_headers([("grpc-status", "0")], end=True)
        case "die":
            # some time after the message: grpcio loses the message, and 1 time in 700 the end of the call, when the
            # connection ends in the moment in which the message is handed out
            await asyncio.sleep(GAP)
            stream.connection.writer.close()
        case "reset":
            await stream.send_reset(2)
        case "":
            await stream.finished()
            await stream.respond([blob(FIRST)])
        case _:
            raise ValueError(what)


def trailers() -> list[tuple[str, str]]:
    """Return how a call ends that fails."""
    status = status_pb2.Status(code=CODE, message=MESSAGE, details=DETAILS)
    words = "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x25 else f"%{byte:02X}" for byte in MESSAGE.encode())
    return [
        ("grpc-status", str(CODE)),
        ("grpc-message", words),
        ("grpc-status-details-bin", base64.b64encode(status.SerializeToString()).decode().rstrip("=")),
        ("x-last", "two"),
        ("x-last-bin", BITS_TEXT),
    ]
