"""An upstream on grpcio's threads and a caller without asyncio, by pytest-grpc: direct, and through the gateway."""

# ruff: noqa: N802 - the signatures of the RPCs

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from bookstore.v1 import bookstore_pb2 as pb
from bookstore.v1 import bookstore_pb2_grpc
from tests.support.gateway import Gateway, route, upstream
from tests.support.processes import free_port

SERVICE = "bookstore.v1.BookstoreService"


class Shelves(bookstore_pb2_grpc.BookstoreServiceServicer):
    def GetShelf(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.name == "shelves/none":
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no such shelf")
        context.set_trailing_metadata((("x-thread", "yes"),))
        return pb.Shelf(name=request.name)

    def StreamBooks(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        context.send_initial_metadata((("x-first", "yes"),))
        yield from (pb.Book(name=f"{request.parent}/books/{number}") for number in range(3))

    def RecommendBooks(self, requests: Iterable[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        for request in requests:
            yield pb.RecommendBooksResponse(subject=request.subject)


@pytest.fixture(scope="module")
def grpc_addr() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def grpc_add_to_server() -> Any:
    return bookstore_pb2_grpc.add_BookstoreServiceServicer_to_server


@pytest.fixture(scope="module")
def grpc_servicer() -> Shelves:
    return Shelves()


@pytest.fixture(scope="module", params=["direct", "gateway"])
def stub(
    request: pytest.FixtureRequest, grpc_server: object, grpc_addr: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    if request.param == "direct":
        with grpc.insecure_channel(grpc_addr) as channel:
            yield bookstore_pb2_grpc.BookstoreServiceStub(channel)  # type: ignore[no-untyped-call]
        return
    folder: Path = tmp_path_factory.mktemp("threaded")
    configuration = {"upstreams": [upstream("shelves", grpc_addr)], "routes": [route("shelves", SERVICE, "shelves")]}
    with Gateway("threaded", folder, configuration) as gateway, grpc.insecure_channel(gateway.traffic) as channel:
        yield bookstore_pb2_grpc.BookstoreServiceStub(channel)  # type: ignore[no-untyped-call]


def test_unary(stub: Any) -> None:
    answer, call = stub.GetShelf.with_call(pb.GetShelfRequest(name="shelves/a"), timeout=10)
    assert answer.name == "shelves/a"
    assert ("x-thread", "yes") in list(call.trailing_metadata())


def test_an_error(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetShelf(pb.GetShelfRequest(name="shelves/none"), timeout=10)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "there is no such shelf"


def test_streams(stub: Any) -> None:
    down = stub.StreamBooks(pb.StreamBooksRequest(parent="shelves/a"), timeout=10)
    assert [book.name for book in down] == [f"shelves/a/books/{number}" for number in range(3)]
    assert ("x-first", "yes") in list(down.initial_metadata())
    both = stub.RecommendBooks((pb.RecommendBooksRequest(subject=letter) for letter in "abc"), timeout=10)
    assert [answer.subject for answer in both] == ["a", "b", "c"]
