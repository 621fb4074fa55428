"""Callers that do not read the answers of servers of every make: others use the same connections as before."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from tests.integration.peers.conftest import KINDS, configuration, meet, start
from tests.support.gateway import Gateway
from tests.support.rpc import PROBE_SERVICE, Stub, blob, call_id, connect, drain, script, send

KIB = 1024
LIMITS = {"stream_buffer_bytes": 64 * KIB, "connection_buffer_bytes": 1024 * KIB}
SMALL = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 64 * KIB)]
"""Options of a channel that takes little of what is not read."""

UNREAD = 50
"""Calls that are not read. What the gateway holds for them is more than the window of the connection they share."""


@pytest.mark.parametrize("kind", KINDS)
async def test_unread_answers_leave_the_connection_to_others(
    folder: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    with ExitStack() as stack:
        behind = start(stack, folder, request, kind, f"unread-{kind}")
        settings = {**configuration(behind.server.address), "server": {"limits": LIMITS}}
        gateway = stack.enter_context(Gateway(f"unread-{kind}-gateway", folder, settings))
        async with (
            meet(behind, gateway) as meeting,
            connect(gateway.traffic, own=True, options=SMALL) as slow,
            connect(gateway.traffic, own=True) as other,
        ):
            names = [call_id("unread") for _ in range(UNREAD)]
            much = send(64, 16 * KIB)
            unread = Stub(slow, PROBE_SERVICE)
            calls = [unread.RunServerStream(blob(), metadata=script(much, call=name)) for name in names]
            # the caller takes 64 KiB for all of them: the gateway holds the rest
            await asyncio.gather(*(meeting.seen(name, sent=3) for name in names))
            stub = Stub(other, PROBE_SERVICE)
            for _ in range(3):
                metadata = script(send(64, 64 * KIB))
                messages, code = await drain(stub.RunServerStream(blob(), metadata=metadata, timeout=20))
                assert (len(messages), code) == (64, grpc.StatusCode.OK)
            # they lose nothing by being late
            found = await asyncio.gather(*(drain(call) for call in calls))
            assert [(len(messages), code) for messages, code in found] == [(64, grpc.StatusCode.OK)] * UNREAD
        assert "Traceback" not in gateway.output()
