"""What `ExplainCall` says of HTTP calls, by a gateway with the schema of the bookstore."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from google.protobuf.descriptor import FileDescriptor

from bookstore.v1 import bookstore_pb2
from edge.admin.explain import explain_call
from edge.gateway import Gateway
from edge.model.config import Configuration, Forward, GrpcTarget, HeaderCondition, Route, RouteMatch, Schema
from edge.model.endpoint import EndpointAddress
from edge.model.settings import ServerSettings
from edge.model.transcoding import Transcoding
from edge.model.upstreams import StaticDiscovery, Upstream
from gateway.v1 import admin_service_pb2 as pb

SERVICE = "bookstore.v1.BookstoreService"
Explain = Callable[..., pb.ExplainCallResponse]


def files(*wanted: FileDescriptor) -> tuple[bytes, ...]:
    """Files with what they import, each after its imports."""
    found: dict[str, bytes] = {}

    def take(file: FileDescriptor) -> None:
        for imported in file.dependencies:
            take(imported)
        found.setdefault(file.name, file.serialized_pb)

    for file in wanted:
        take(file)
    return tuple(found.values())
