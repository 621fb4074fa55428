"""Servers for the tests of HTTP, on both event loops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import uvloop

from edge.listeners.http_server import HttpServer
from edge.model.settings import Limits
from tests.edge.listeners.http_place import Answer, Handler, Place, Serve


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test of HTTP and of ports on both loops: their transports differ."""
    if not any(name in item.nodeid for name in ("test_http", "test_port", "test_h2")):
        return {"asyncio": asyncio.new_event_loop}
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers; they are stopped, and the callers gone, when the test ends."""
    places: list[Place] = []

    async def start(answer: Answer, address: str = "127.0.0.1:0", **limits: object) -> Place:
        handler = Handler(answer)
        server = HttpServer(address, Limits(**limits), handler)  # type: ignore[arg-type]
        await server.bind()
        await server.start()
        places.append(Place(server, handler))
        return places[-1]

    yield start
    for place in places:
        for caller in place.callers:
            caller.writer.close()
        await place.server.stop(1)


@pytest.fixture(autouse=True)
def quiet_log(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing a caller does is worth a warning; a test that expects one is marked `loud`."""
    yield
    if "loud" in request.fixturenames:
        return
    loud = [record for record in caplog.get_records("call") if record.levelno >= logging.WARNING]
    assert not loud, [record.getMessage() for record in loud]


@pytest.fixture
def loud() -> None:
    """Say that the test expects errors in the log."""
