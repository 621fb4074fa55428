"""WebSocket (RFC 6455) for gRPC methods of all four kinds. docs/websocket.md is the contract with callers.

handshake     what the subprotocols say: framing, headers, timeout
origin        which pages may call
framing       frames of each subprotocol, without I/O
requests      frames and URL to request messages
conversation  one call: both directions at once
responder     accepts, answers, closes
"""

from __future__ import annotations

from transcoding.websocket.handshake import Handshake
from transcoding.websocket.requests import RequestTemplate
from transcoding.websocket.responder import WebSocketResponder, web_socket_responder

__all__ = ["Handshake", "RequestTemplate", "WebSocketResponder", "web_socket_responder"]
