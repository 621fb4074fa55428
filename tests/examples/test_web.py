"""The configurations of the examples, and the one for browsers at work: pages, CORS, WebSocket, OpenAPI."""

from __future__ import annotations

import asyncio
import functools
import http.server
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from edge.app import validate
from tests.support.processes import Process, python
from tests.support.rpc import eventually

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BOOKSTORE = EXAMPLES / "bookstore"
CLIENT = BOOKSTORE / "websocket_client.py"
SHOP = "https://shop.example.com"


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in sorted(EXAMPLES.rglob("*.yaml"))])
def test_every_configuration_is_valid(path: Path) -> None:
    validate(path)


class Pages(http.server.SimpleHTTPRequestHandler):
    """A plain HTTP server of files that says nothing on the terminal."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
        """Say nothing."""


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    """The address of a plain HTTP server with the example's page."""
    handler = functools.partial(Pages, directory=str(BOOKSTORE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def gateway(address: str, pages: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address for HTTP callers of a gateway with web.yaml."""
    free = dict.fromkeys(("EDGE_TRAFFIC", "EDGE_ADMIN"), "127.0.0.1:0")
    process = Process(
        "web-gateway",
        python("edge.cli", "serve", "--config", str(BOOKSTORE / "web.yaml")),
        tmp_path_factory.mktemp("web"),
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**free, "BOOKSTORE_ONE": address, "PAGES": pages}.items():
            patch.setenv(name, value)
        process.start()
    try:
        yield process.ready["listeners"]["traffic"]
    finally:
        process.stop()


@pytest.fixture
async def session(gateway: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with the gateway, which knows the bookstore."""
    async with aiohttp.ClientSession(f"http://{gateway}") as session:

        async def learnt() -> bool:
            async with session.get("/v1/shelves") as response:
                return response.status == 200

        await eventually(learnt, within=20, what="the rules of the bookstore")
        yield session


async def test_the_page_comes_from_the_plain_server_and_nothing_else_does(session: aiohttp.ClientSession) -> None:
    async with session.get("/client.html") as response:
        assert response.status == 200
        assert response.headers["server"].startswith("SimpleHTTP")
        assert await response.text() == (BOOKSTORE / "client.html").read_text()
    async with session.get("/server.py") as response:
        assert response.status == 404


async def test_pages_of_the_listed_origins_may_call(session: aiohttp.ClientSession) -> None:
    asks = {"access-control-request-method": "PATCH", "access-control-request-headers": "authorization"}
    async with session.options("/v1/shelves/fiction", headers={"origin": SHOP, **asks}) as response:
        assert response.status == 204
        assert response.headers["access-control-allow-origin"] == SHOP
        assert "PATCH" in response.headers["access-control-allow-methods"]
        assert "authorization" in response.headers["access-control-allow-headers"]
        assert response.headers["access-control-max-age"] == "3600"
    for origin, allowed in ((SHOP, SHOP), ("http://localhost:5173", "http://localhost:5173"), ("https://a.test", None)):
        async with session.get("/v1/shelves/fiction", headers={"origin": origin}) as response:
            assert response.headers.get("access-control-allow-origin") == allowed


async def test_callers_find_a_description(session: aiohttp.ClientSession) -> None:
    async with session.get("/openapi.json") as response:
        assert "/v1/shelves" in (await response.json())["paths"]


async def run_client(*arguments: str) -> tuple[int | None, str]:
    """Run the WebSocket client and return its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CLIENT), *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode()
    return process.returncode, said


@pytest.mark.parametrize(
    ("path", "message", "code", "words"),
    [
        ("/v1/books:recommend", '{"subject": "future"}', 0, ['"subject":"future"', "closed with 1000: OK"]),
        ("/v1/books:recommend", '{"subjec": "future"}', 1, ["closed with 4003: subjec: unknown field"]),
        ("/v1/books:nothing", "{}", 1, ["404"]),
    ],
)
async def test_the_websocket_client(
    session: aiohttp.ClientSession, gateway: str, path: str, message: str, code: int, words: list[str]
) -> None:
    ended, said = await run_client(f"ws://{gateway}{path}", message)
    assert ended == code, said
    for word in words:
        assert word in said
    assert "Traceback" not in said
