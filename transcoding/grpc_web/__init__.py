"""gRPC-Web for browsers: frames in the body, the status in the last one of them, as bytes or as base64.

Source: gRPC doc/PROTOCOL-WEB.md. Needs no schema: messages pass as bytes. Choices where it leaves one:

- The form of the answer follows `accept`, then the request.
- A call that fails before anything was sent has its status in the HTTP headers and an empty body, unless the upstream
  sent initial metadata or the status is large.
- `-bin` trailers are base64 in the text form too: clients of either form then read one trailer frame alike.
- Answers are not compressed; requests may be, with gzip.
- Bidirectional streams work over HTTP/1.1 as far as the caller reads while it sends.
"""

from __future__ import annotations

from transcoding.grpc_web.responder import GrpcWebResponder, grpc_web_responder

__all__ = ["GrpcWebResponder", "grpc_web_responder"]
