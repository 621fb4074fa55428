"""Whatever a caller sends, in whatever mode: the call ends once, in order, and nothing is left of it."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.model.status import Code
from tests.support.web_socket_exchange import Frame, MemoryUpstream
from tests.transcoding.websocket.books import BIDI, CLIENT, SERVER, UNARY, converse
from tests.transcoding.websocket.test_framing import FRAMES

LIKELY = st.sampled_from(
    ["", "{}", '{"message":{}}', '{"end":true}', '{"message":{},"end":true}', b"\0", b"\2", b"\0\x0a\x01a", "null"]
)


async def speak(name: str, mode: str, frames: list[Frame], *, by_url: bool, leaves: bool) -> None:
    variables = {"name": "shelves/a", "parent": "shelves/a"} if by_url else None
    if by_url:
        variables = {UNARY: {"name": "shelves/a"}, SERVER: {"parent": "shelves/a"}}.get(name, {})
    call = converse(name, *([mode] if mode else []), upstream=MemoryUpstream(echo=b""), variables=variables, limit=1000)
    socket = await call.socket()
    socket.say(*frames)
    # a caller that says no end has to leave some time
    if leaves:
        socket.leave(1000)
    else:
        async with asyncio.timeout(10):
            while socket.taken < len(frames) and call.task is not None and not call.task.done():
                await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        if call.task is not None and not call.task.done():
            socket.leave()
    finished = await call.done()
    assert finished.code in (Code.OK, Code.INVALID_ARGUMENT, Code.CANCELLED, Code.INTERNAL, Code.RESOURCE_EXHAUSTED)
    if finished.code is Code.INTERNAL:
        assert finished.call.reason == "UPSTREAM_PROTOCOL_ERROR", "the echo of a client stream is no single answer"
        assert name == CLIENT
    if finished.code not in (Code.OK, Code.CANCELLED) and not leaves:
        assert socket.closed is not None
        assert socket.closed[0] in (1003, 1008, 1009, 4003, 4013, 4008)
    assert not [task for task in asyncio.all_tasks() if "WebSocket" in task.get_name()]


@pytest.mark.parametrize("mode", ["", "edge.json.v1", "edge.proto.v1"])
@pytest.mark.parametrize("name", [UNARY, SERVER, CLIENT, BIDI])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.lists(FRAMES | LIKELY, max_size=6), by_url=st.booleans(), leaves=st.booleans())
def test_any_frames(
    name: str, mode: str, frames: list[Frame], by_url: bool, leaves: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    asyncio.run(speak(name, mode, frames, by_url=by_url, leaves=leaves))
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
