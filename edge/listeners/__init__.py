"""The sockets callers connect to.

This version has a grpc.aio server for each gRPC listener and an aiohttp server for each HTTP listener; one port for
every protocol, and TLS, come with the wire engine.
"""

from edge.listeners.grpc_server import GrpcServer, ListenError
from edge.listeners.http_server import HttpServer

__all__ = ["GrpcServer", "HttpServer", "ListenError"]
