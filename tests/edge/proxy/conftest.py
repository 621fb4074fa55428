"""What the tests of invokers use."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest

from tests.edge.proxy.invoke_backend import Backend
from tests.edge.proxy.invoke_place import ENGINES


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    handler = Backend()
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.aio.server(handlers=[handler], options=options)
    handler.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield handler
    await server.stop(0)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)
