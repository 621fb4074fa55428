from __future__ import annotations

import pytest

from edge.listeners.detect import Spoken, detect
from edge.wire.frames import PREFACE


@pytest.mark.parametrize(
    ("data", "spoken"),
    [
        (PREFACE, Spoken.HTTP2),
        (PREFACE + b"\0\0\0\4\0\0\0\0\0", Spoken.HTTP2),
        (b"PRI * HTTP/2.0\r\n", Spoken.HTTP2),
        (b"PRI * HTTP/2.0\r\n\r\nXX", Spoken.HTTP2),
        (b"PRI * HTTP/1.1\r\n", Spoken.HTTP1),
        (b"GET / HTTP/1.1\r\n", Spoken.HTTP1),
        (b"G", Spoken.HTTP1),
        (b"PO", Spoken.HTTP1),
        (b"PROPFIND", Spoken.HTTP1),
        (b"\0", Spoken.HTTP1),
        (b"\x16\x03\x01\x02\0\1", Spoken.TLS),
        (b"\x16\x03", Spoken.TLS),
        (b"\x16\x04", Spoken.HTTP1),
    ],
)
def test_the_first_bytes_tell(data: bytes, spoken: Spoken) -> None:
    assert detect(data) is spoken


@pytest.mark.parametrize("size", range(16))
def test_the_beginning_of_a_preface_tells_nothing_yet(size: int) -> None:
    assert detect(PREFACE[:size]) is None


def test_half_of_a_hello_tells_nothing_yet() -> None:
    assert detect(b"\x16") is None


@pytest.mark.parametrize("data", [b"\x16", b"\x16\x03\x01"])
def test_there_is_no_tls_inside_tls(data: bytes) -> None:
    assert detect(data, encrypted=True) is Spoken.HTTP1
