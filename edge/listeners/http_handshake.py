"""The opening handshake of a WebSocket over HTTP/1.1 (RFC 6455 section 4.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from edge.model.http import HttpRequest

UPGRADE_TO: Final = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
"""What 426 tells the caller to speak (RFC 9110 section 15.5.22, RFC 6455 section 4.4)."""

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def handshake_fault(request: HttpRequest) -> tuple[int, str]:
    """Return the HTTP status and what is wrong with an opening handshake, or 0 (RFC 6455 section 4.2.1)."""
    if request.verb != "GET" or request.version != "1.1":
        return 400, "a WebSocket handshake is a GET of HTTP/1.1"
    if not _has_token(request.header("connection"), "upgrade"):
        return 400, "a WebSocket handshake has the header `connection: upgrade`"
    if request.header("content-length") not in ("", "0") or request.header("transfer-encoding"):
        return 400, "a WebSocket handshake has no body"
    if request.header("sec-websocket-version") != "13":
        return 426, "the header `sec-websocket-version` must be 13; no other version is spoken here"
    try:
        key = base64.b64decode(request.header("sec-websocket-key"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 16:
        return 400, "the header `sec-websocket-key` must be 16 bytes in base64"
    return 0, ""


def handshake(request: HttpRequest, subprotocol: str) -> str:
    """Return the header lines that accept the handshake of a request."""
    digest = hashlib.sha1(request.header("sec-websocket-key").encode("latin-1") + _GUID, usedforsecurity=False).digest()
    accept = base64.b64encode(digest).decode()
    if not all(sign.isalnum() or sign in "!#$%&'*+-.^_`|~" for sign in subprotocol) or not subprotocol.isascii():
        raise ValueError("a subprotocol is a token")
    chosen = f"sec-websocket-protocol: {subprotocol}\r\n" if subprotocol else ""
    return f"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n{chosen}"


def _has_token(value: str, token: str) -> bool:
    return any(part.strip(" \t").lower() == token for part in value.split(","))
