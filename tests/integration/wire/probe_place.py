"""The probe service of the tests as a place that cases are played against."""

from __future__ import annotations

from tests.integration.wire.frames_client import Field
from tests.integration.wire.place import Ask, Place
from tests.support.raw_peer import frame as message
from tests.support.rpc import PROBE_SERVICE, hang, raw_script, read, send

SMALL = 100
"""The octets of the message in the answer to `Ask.GET`."""

BIG = 200_000
"""The octets of the message in the answer to `Ask.BIG`: three default windows."""


def grpc_place(address: str, *, gateway: bool = True) -> Place:
    """Return the place of the probe service, behind a gateway or not."""

    def fields(*script: Field) -> tuple[Field, ...]:
        return (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", f"/{PROBE_SERVICE.full_name}/RunBidi"),
            (":authority", address),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *script,
        )

    asks = {
        Ask.GET: fields(*raw_script(send(1, SMALL))),
        Ask.BIG: fields(*raw_script(send(1, BIG))),
        Ask.POST: fields(*raw_script(read(0), send(1, SMALL))),
        Ask.HANG: fields(*raw_script(hang())),
    }
    return Place(address, asks, grpc_body, gateway)


def grpc_body(octets: int) -> bytes:
    """Return one message of the probe service that has this number of octets with its prefix: 0, 5 or from 7 on."""
    if octets in (0, 5):
        return message() if octets else b""
    # field 15 of type bytes is unknown to Blob; a length in four octets, also when fewer would do, fits every size
    wide = 4 if octets >= 12 else 1
    size = octets - 5 - 1 - wide
    assert size >= 0, f"no message has {octets} octets"
    length = (
        bytes(size >> shift & 0x7F | (0x80 if shift < 21 else 0) for shift in (0, 7, 14, 21)) if wide == 4 else None
    )
    return message(b"\x7a" + (length or bytes((size,))) + bytes(size))
