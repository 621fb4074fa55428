"""The Connect protocol: unary calls as plain POST or GET, streams as frames, JSON or protobuf, statuses as JSON.

Source: Connect protocol reference (connectrpc.com, "Protocol"). Protobuf passes as bytes; JSON goes through the codec
of the route. Choices where the reference leaves one:

- A request without `connect-protocol-version` is served.
- A refusal of the gateway has the HTTP status that REST callers get (404, 405, 413, 415 …); the code is in the body.
- Bidirectional streams work over HTTP/1.1 as far as the caller reads while it sends.
"""

from __future__ import annotations

from transcoding.connect.entry import connect_responder
from transcoding.connect.refusal import ConnectRefusal, connect_refusal
from transcoding.connect.stream import ConnectStreamResponder
from transcoding.connect.unary import ConnectUnaryResponder

__all__ = ["ConnectRefusal", "ConnectStreamResponder", "ConnectUnaryResponder", "connect_refusal", "connect_responder"]
