"""Floods: much of the same, until the other side has had enough."""

from __future__ import annotations

import asyncio

from tests.integration.wire.frames_client import Code
from tests.integration.wire.play import Conversation
from tests.integration.wire.steps import connection_error


async def ends(talk: Conversation, flood: bytes, times: int) -> None:
    """Send a flood piece by piece; the connection must end, and by nothing else than ENHANCE_YOUR_CALM.

    Whoever goes on sending may lose GOAWAY to the reset of the connection; the count tells then why it ended.
    """
    reading = asyncio.get_running_loop().create_task(talk.expect(connection_error(Code.ENHANCE_YOUR_CALM)))
    try:
        for _ in range(times):
            if reading.done():
                break
            await talk.send(flood)
            await asyncio.sleep(0)
        await reading
    finally:
        reading.cancel()
