from __future__ import annotations

import json
from typing import cast

import pytest

from edge.listeners import Probes
from edge.model.http import HeaderPairs, HttpExchange, HttpRequest


class Exchange:
    """Keeps the answer."""

    def __init__(self, verb: str, target: str) -> None:
        self.request = HttpRequest(verb, target, [])
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    async def respond(self, status: int, headers: HeaderPairs, body: bytes = b"") -> None:
        self.status, self.headers, self.body = status, dict(headers), body


class Inner:
    async def handle(self, exchange: HttpExchange) -> None:
        await exchange.respond(418, [])


async def ask(probes: Probes, target: str, verb: str = "GET") -> tuple[int, object]:
    exchange = Exchange(verb, target)
    await probes.handle(cast(HttpExchange, exchange))
    if exchange.status == 418:
        return 418, None
    assert exchange.headers == {"content-type": "application/json", "cache-control": "no-store"}
    return exchange.status, json.loads(exchange.body)


SERVING = {"status": "SERVING"}


async def test_a_process_that_lives_is_healthy_and_ready_with_a_configuration() -> None:
    probes = Probes(Inner(), lambda: (True, ""))
    for target in ("/health", "/ready", "/ready?verbose"):
        for verb in ("GET", "HEAD"):
            assert await ask(probes, target, verb) == (200, SERVING)


async def test_without_being_ready_it_says_why_and_is_healthy() -> None:
    probes = Probes(Inner(), lambda: (False, "the gateway drains"))
    assert await ask(probes, "/ready") == (503, {"status": "NOT_SERVING", "reason": "the gateway drains"})
    assert await ask(probes, "/health") == (200, SERVING)


@pytest.mark.parametrize(
    ("verb", "target"), [("POST", "/health"), ("GET", "/healthy"), ("GET", "/health/"), ("GET", "/"), ("PUT", "/ready")]
)
async def test_everything_else_is_for_the_other_handler(verb: str, target: str) -> None:
    assert (await ask(Probes(Inner(), lambda: (True, "")), target, verb))[0] == 418


async def test_a_route_of_exactly_that_path_comes_first() -> None:
    probes = Probes(Inner(), lambda: (True, ""), lambda path: path == "/health")
    assert (await ask(probes, "/health"))[0] == 418
    assert await ask(probes, "/ready") == (200, SERVING)
