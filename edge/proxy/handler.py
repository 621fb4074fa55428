"""One `grpc.GenericRpcHandler` for every method of every upstream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from edge.model.schema import Method, Shape
from edge.proxy.exchange import Core
from edge.proxy.stream import StreamExchange
from edge.proxy.unary import UnaryExchange

MAX_KEPT_METHODS = 4096
"""Handlers kept. Callers choose the names, so it has to end somewhere; beyond it a handler is made for the call."""


class ProxyHandler(grpc.GenericRpcHandler):
    """Takes any method as raw bytes.

    Args:
        core: The pipeline and what is known of peers.
        method: Returns what is known of a method by its path. Unary ones take the unary exchange.
    """

    def __init__(self, core: Core, method: Callable[[str], Method | None]) -> None:
        self._core = core
        self._method = method
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def forget(self) -> None:
        """Choose the exchanges anew, because what is known of methods has changed. Calls under way go on."""
        self._handlers.clear()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the handler of a method; every method has one."""
        path = handler_call_details.method
        handler = self._handlers.get(path)
        if handler is None:
            handler = self._make(path)
            if len(self._handlers) < MAX_KEPT_METHODS:
                self._handlers[path] = handler
        return handler

    def _make(self, path: str) -> grpc.RpcMethodHandler[Any, Any]:
        method = self._method(path)
        if method is not None and method.shape is Shape.UNARY:
            return grpc.unary_unary_rpc_method_handler(UnaryExchange(self._core, path).handle)
        return grpc.stream_stream_rpc_method_handler(StreamExchange(self._core, path).handle)
