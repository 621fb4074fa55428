"""The sockets callers connect to.

This version has a grpc.aio server for each listener; one port for every protocol, and TLS, come with the wire engine.
"""

from edge.listeners.grpc_server import GrpcServer, ListenError

__all__ = ["GrpcServer", "ListenError"]
