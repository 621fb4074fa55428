"""An HTTP backend that fails as the test says."""

from __future__ import annotations

import asyncio

from tests.support.http_backend import HttpBackend, Request


class Flaky:
    """A backend whose answers are a list of ways, the last one again and again.

    A way is a status, with `:SECONDS` for `retry-after`, or one of `reset`, `torn` (the head is not whole), `garbage`,
    `silent` (no answer), `early` (503 before the body was read), `broken` (200 and half a body).
    """

    def __init__(self, backend: HttpBackend, ways: str) -> None:
        self.backend = backend
        self.ways = ways.split(",")
        self.heads: list[Request] = []
        self.bodies: list[bytes] = []
        """The bodies that came whole."""
        backend.answer = self._answer

    def begin(self, ways: str) -> None:
        """Forget what was, and answer from now on in these ways."""
        self.ways = ways.split(",")
        self.heads, self.bodies = [], []

    async def _answer(self, request: Request) -> None:
        self.heads.append(request)
        way = self.ways[min(len(self.heads), len(self.ways)) - 1]
        number = len(self.heads)
        if way == "early":
            await request.reply(b"early", 503)
            return
        if way == "silent":
            await request.reader.readexactly(1 << 20)
        self.bodies.append(await request.body())
        if way == "torn":
            await request.send(b"HTTP/1.1 200 OK\r\nx-a")
        elif way == "garbage":
            await request.send(b"SSH-2.0-x\r\n\r\n")
        elif way == "broken":
            await request.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        if way in ("torn", "reset", "broken"):
            await asyncio.sleep(0)
            request.die()
            raise ConnectionResetError
        if way != "garbage":
            status, _, after = way.partition(":")
            headers = [b"retry-after: " + after.encode()] if after else []
            await request.reply(b"attempt %d" % number, int(status), *headers)
