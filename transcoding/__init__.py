"""Transcoding: REST, streams, WebSocket, gRPC-Web and Connect into the pipeline of `edge`.

    front ─ finder ─ session ─┬─ rest        rules, codec
              │               ├─ grpc_web    framing
            index             ├─ connect     framing, codec
              │               ├─ websocket   codec
            offers            └─ plain       HTTP upstreams
                                   └─ render: one place where a status becomes what a caller reads

It imports `edge.model` only, and knows neither grpc nor aiohttp: it works the same in front of either engine.
"""

from transcoding.front import Transcoder
from transcoding.guard import SameOrigin
from transcoding.index import Index, IndexKeeper

__all__ = ["Index", "IndexKeeper", "SameOrigin", "Transcoder"]
