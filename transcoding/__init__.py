"""Transcoding: REST, streams, WebSocket, gRPC-Web and Connect into the pipeline of `edge`.

It imports `edge.model` only, so that it works the same in front of either engine.
"""
