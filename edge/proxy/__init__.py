"""The grpc.aio core: any method, as raw bytes, from caller to upstream.

handler      one `grpc.GenericRpcHandler` for every method; keeps one `MethodProxy` each
unary        the exchange of a method known to be unary
stream       the exchange of every other method
dispatcher   the pipeline behind it: match, admit, pick, settle; knows no wire
compile      a configuration becomes a snapshot
metadata     what of a caller's metadata goes upstream
respond      refusals and upstream failures as gRPC statuses
invoke       calls that came by HTTP, to gRPC endpoints
http_forward requests to endpoints that speak plain HTTP
"""

from edge.proxy.compile import compile_snapshot
from edge.proxy.dispatcher import Dispatcher
from edge.proxy.handler import ProxyHandler
from edge.proxy.http_forward import HttpForwarder
from edge.proxy.invoke import GrpcInvoker

__all__ = ["Dispatcher", "GrpcInvoker", "HttpForwarder", "ProxyHandler", "compile_snapshot"]
