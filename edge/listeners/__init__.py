"""The sockets callers connect to.

`EdgeServer` takes every protocol on one port for the wire engine. `GrpcServer` and `HttpServer` are what the engine
grpc.aio has instead; the first one also serves the gateway's own services behind the wire engine.
"""

from edge.listeners.grpc_server import GrpcServer, ListenError
from edge.listeners.h2_front import Http2Front
from edge.listeners.http_server import HttpServer
from edge.listeners.port import EdgeServer
from edge.listeners.probes import Probes

__all__ = ["EdgeServer", "GrpcServer", "Http2Front", "HttpServer", "ListenError", "Probes"]
