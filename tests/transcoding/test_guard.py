from __future__ import annotations

import json

import pytest

from edge.model.http import HttpExchange, HttpRequest
from tests.support.http_exchange import MemoryExchange
from transcoding.guard import SameOrigin


class Inner:
    """Answers everything."""

    async def handle(self, exchange: HttpExchange) -> None:
        await exchange.respond(200, ())


async def asked(*headers: tuple[str, str], host: str = "localhost:9091", local: bool = True) -> MemoryExchange:
    exchange = MemoryExchange(HttpRequest("POST", "/v1/server:drain", headers, host=host))
    await SameOrigin(Inner(), only_local_names=local).handle(exchange)
    return exchange


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9091", "127.0.0.1:9091", "[::1]:9091", "127.8.8.8", "a.localhost"]
)
async def test_local_names_are_taken(host: str) -> None:
    assert (await asked(host=host)).status == 200


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com:9091", "10.0.0.1", "localhost.example.com"])
async def test_a_foreign_name_for_a_loopback_address_is_refused(host: str) -> None:
    exchange = await asked(host=host)
    found = json.loads(exchange.body)
    assert (exchange.status, found["code"], found["details"][0]["reason"]) == (403, 7, "FOREIGN_ORIGIN")
    assert (await asked(host=host, local=False)).status == 200, "elsewhere any name will do"


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://localhost:1", "https://localhost:9091"])
async def test_a_page_of_another_origin_is_refused(origin: str) -> None:
    exchange = await asked(("origin", origin))
    assert exchange.status == 403
    assert not [name for name, _ in exchange.headers if name.startswith("access-control")]


async def test_a_page_of_the_port_itself_is_taken() -> None:
    assert (await asked(("origin", "http://localhost:9091"))).status == 200
