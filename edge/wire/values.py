"""The values of headers: hosts, and bytes as base64."""

from __future__ import annotations

import binascii


def host_of(authority: str) -> str:
    """Return an authority without user and port, in lower case."""
    host = authority.rpartition("@")[2].lower()
    if host[:1] == "[":
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def decode_binary(text: str) -> bytes:
    """Return the bytes of a `-bin` value, whether padded or not. What is no base64 is given as it is."""
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return text.encode("latin-1")


def encode_binary(value: bytes) -> str:
    """Return the base64 of a `-bin` value without padding (gRPC doc/PROTOCOL-HTTP2.md)."""
    return binascii.b2a_base64(value, newline=False).rstrip(b"=").decode("ascii")
