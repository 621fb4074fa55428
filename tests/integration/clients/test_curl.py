"""curl against a running gateway, as a person types it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.clients.conftest import BOOKSTORE, wait_offered
from tests.support.echo import ECHO, EchoServer
from tests.support.gateway import Admin, Gateway, backend

pytestmark = pytest.mark.all

MEBIBYTE = 1024 * 1024


@dataclass
class Said:
    """What curl said."""

    code: int
    """The exit code of curl."""

    body: bytes
    """What it wrote."""

    status: int
    """The HTTP status."""

    media: str
    """The content type."""


async def curl(address: str, path: str, *arguments: str) -> Said:
    """Run curl to its end."""
    command = ["curl", "-sS", "--max-time", "30", *arguments, "-w", "%{stderr}%{http_code} %{content_type}"]
    process = await asyncio.create_subprocess_exec(
        *command, f"http://{address}{path}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    body, words = await process.communicate()
    status, _, media = words.decode().rpartition("\n")[2].partition(" ")
    assert process.returncode is not None
    return Said(process.returncode, body, int(status), media)


@pytest_asyncio.fixture(loop_scope="session")
async def echo(public: Gateway) -> AsyncIterator[EchoServer]:
    """A service for files, behind the same gateway."""
    admin = Admin(public.admin)
    async with (
        EchoServer() as server,
        backend(
            admin,
            [server.address],
            service=ECHO,
            route_fields={"transcoding": {}},
            upstream_fields={"reflection": {"disabled": False}},
        ),
    ):
        await admin.knows(ECHO)
        await asyncio.to_thread(wait_offered, public, "/v1/items/a")
        yield server
    await admin.channel.close()


async def test_rest(public: Gateway) -> None:
    shelf = await curl(public.http, "/v1/shelves/fiction")
    assert (shelf.code, shelf.status, shelf.media) == (0, 200, "application/json")
    assert json.loads(shelf.body)["theme"] == "Fiction"
    # a body is JSON only when the caller says so: curl says it is a form
    made = await curl(public.http, "/v1/shelves/travel/books", "--json", '{"title": "By curl", "author": "Daniel"}')
    name = json.loads(made.body)["name"]
    changed = await curl(public.http, f"/v1/{name}", "-X", "PATCH", "--json", '{"year": 1998}')
    assert json.loads(changed.body)["year"] == 1998
    assert json.loads(changed.body)["title"] == "By curl"
    gone = await curl(public.http, f"/v1/{name}", "-X", "DELETE")
    assert (gone.status, gone.body) == (200, b"{}")
    missing = await curl(public.http, f"/v1/{name}")
    assert (missing.status, json.loads(missing.body)["code"]) == (404, 5)
    cover = await curl(public.http, "/v1/shelves/fiction/books/moby-dick/cover")
    assert (cover.status, cover.media) == (200, "image/svg+xml")
    assert cover.body.startswith(b"<svg")


async def test_a_form_is_refused_with_what_to_send(public: Gateway) -> None:
    refused = await curl(public.http, "/v1/shelves/travel/books", "-d", '{"title": "Form"}')
    assert refused.status == 415
    assert "application/json" in json.loads(refused.body)["message"]


async def test_streams(public: Gateway) -> None:
    lines = await curl(public.http, "/v1/shelves/science/books:stream")
    assert lines.media == "application/x-ndjson"
    titles = [json.loads(line)["title"] for line in lines.body.splitlines()]
    assert "Sidereus Nuncius" in titles
    events = await curl(public.http, "/v1/shelves/science/books:stream", "-H", "accept: text/event-stream")
    assert events.media == "text/event-stream"
    blocks = events.body.decode().strip().split("\n\n")
    assert [json.loads(block.partition("data: ")[2])["title"] for block in blocks[:-1]] == titles
    assert blocks[-1] == "event: end\ndata: {}"
    array = await curl(public.http, "/v1/shelves/science/books:stream", "-H", "accept: application/json")
    assert [book["title"] for book in json.loads(array.body)] == titles


async def test_messages_come_as_they_are_sent(public: Gateway) -> None:
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sSN", f"http://{public.http}/v1/shelves/science:watch"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            seen = [json.loads(await process.stdout.readline()) for _ in range(3)]
            assert {found["kind"] for found in seen} == {"KIND_PRESENT"}
            title = f"While curl waits {random.random()}"
            await curl(public.http, "/v1/shelves/science/books", "--json", f'{{"title": "{title}", "author": "Me"}}')
            while (found := json.loads(await process.stdout.readline()))["kind"] == "KIND_PRESENT":
                pass
            assert (found["kind"], found["book"]["title"]) == ("KIND_CREATED", title)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_client_stream(public: Gateway, tmp_path: Path) -> None:
    lines = [
        {"parent": "shelves/travel", "book": {"title": title, "author": "curl"}} for title in ("Up 1", "Up 2", "Up 1")
    ]
    file = tmp_path / "books.ndjson"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = await curl(public.http, "/v1/books:import", "-H", "content-type: application/x-ndjson", "-T", str(file))
    assert said.status == 405, "an upload is a PUT for curl"
    post = ("-X", "POST", "-H", "content-type: application/x-ndjson", "-T", str(file))
    said = await curl(public.http, "/v1/books:import", *post)
    found = json.loads(said.body)
    assert (found["importedCount"], found["skippedCount"]) == (2, 1)


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
async def test_a_file_goes_up(public: Gateway, echo: EchoServer, tmp_path: Path, framing: str) -> None:
    data = random.Random(1).randbytes(12 * MEBIBYTE)
    file = tmp_path / "thing.bin"
    file.write_bytes(data)
    chunked = ("-H", "transfer-encoding: chunked") if framing == "chunked" else ()
    said = await curl(
        public.http,
        "/v1/items/a:upload",
        *("-X", "POST", "-H", "content-type: application/x-thing", "-T", str(file), *chunked),
    )
    assert (said.status, json.loads(said.body)["big"]) == (200, str(len(data)))
    received = b"".join(request.file.data for request in echo.requests)  # type: ignore[attr-defined]
    assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()
    assert len(echo.requests) > 1, "a file is sent in pieces"


async def test_a_file_comes_down(public: Gateway, echo: EchoServer, tmp_path: Path) -> None:
    file = tmp_path / "down.bin"
    more = ("-H", "x-count: 64", "-H", f"x-size: {MEBIBYTE // 2}", "-o", str(file))
    said = await curl(public.http, "/v1/items/a:download", *more)
    assert (said.code, said.status, said.media) == (0, 200, "application/x-echo")
    assert file.stat().st_size == 32 * MEBIBYTE
    assert file.read_bytes().count(b"x") == 32 * MEBIBYTE


async def test_a_download_that_fails_is_no_success_for_curl(public: Gateway, echo: EchoServer) -> None:
    said = await curl(public.http, "/v1/items/a:download", "-H", "x-count: 3", "-H", "x-size: 1000", "-H", "x-fail: 15")
    partial_file = 18
    assert (said.code, said.status) == (partial_file, 200)
    assert said.body == b"x" * 3000


async def test_unary_connect_needs_no_client(public: Gateway) -> None:
    said = await curl(public.http, f"/{BOOKSTORE}/GetShelf", "--json", '{"name": "shelves/fiction"}')
    assert (said.status, json.loads(said.body)["theme"]) == (200, "Fiction")
    by_get = await curl(
        public.http,
        f"/{BOOKSTORE}/GetShelf",
        *("-G", "-d", "connect=v1", "-d", "encoding=json", "--data-urlencode", 'message={"name": "shelves/fiction"}'),
    )
    assert (by_get.status, by_get.body) == (200, said.body)
