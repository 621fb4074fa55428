"""nghttpd behind the gateway, in clear text and with TLS: it answers each call with a file and a status as trailer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme

from tests.integration.peers.commands import framed
from tests.support.gateway import Gateway, route, upstream
from tests.support.processes import free_port
from tests.support.rpc import connect, eventually, failure, values

pytestmark = pytest.mark.all

SERVICE = "files.v1.Files"
SMALL, LARGE = b"hello world!", os.urandom(3 * 1024 * 1024)
AT_ONCE = 3
"""The streams that it takes at once on a connection."""


class Files:
    """An nghttpd with two files that are answers of gRPC.

    Args:
        folder: Where its files go.
        tls: The files of key and certificate; empty for clear text.
    """

    def __init__(self, folder: Path, tls: tuple[str, ...]) -> None:
        self.port = free_port()
        methods = folder / "htdocs" / SERVICE
        methods.mkdir(parents=True)
        (methods / "Small").write_bytes(framed(SMALL))
        (methods / "Large").write_bytes(framed(LARGE))
        trailers = ("--trailer", "grpc-status: 0", "--trailer", "x-last: 2")
        words = ["-a", "127.0.0.1", "-m", str(AT_ONCE), "-d", str(folder / "htdocs"), *trailers]
        self._command = ["nghttpd", *words, *(() if tls else ("--no-tls",)), str(self.port), *tls]
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it. The gateway tries again until it is there."""
        self._popen = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """End it at once."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()


@pytest.fixture(scope="module", params=["clear", "tls"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Files, Gateway]]:
    """It and the gateway in front of it."""
    folder = tmp_path_factory.mktemp("nghttpd")
    tls: tuple[str, ...] = ()
    fields: dict[str, Any] = {"reflection": {"disabled": True}}
    if request.param == "tls":
        authority = trustme.CA()
        own = authority.issue_cert("files.test")
        key, cert, ca = (str(folder / name) for name in ("key.pem", "cert.pem", "ca.pem"))
        own.private_key_pem.write_to_path(key)
        own.cert_chain_pems[0].write_to_path(cert)
        authority.cert_pem.write_to_path(ca)
        tls = (key, cert)
        fields["tls"] = {"ca_file": ca, "server_name": "files.test"}
    files = Files(folder, tls)
    with contextlib.ExitStack() as stack:
        stack.callback(files.stop)
        files.start()
        settings = {
            "upstreams": [upstream("files", f"127.0.0.1:{files.port}", **fields)],
            "routes": [route("files", SERVICE, "files")],
        }
        gateway = stack.enter_context(Gateway("files-gateway", folder, settings))
        yield files, gateway
        assert "Traceback" not in gateway.output()


def method(channel: Any, name: str) -> Any:
    """Return a method by name; its messages are bytes."""
    return channel.unary_unary(f"/{SERVICE}/{name}")


async def ready(channel: Any) -> None:
    """Wait until it answers."""

    async def good() -> bool:
        return (await method(channel, "Small")(b"", timeout=5).code()) is grpc.StatusCode.OK

    await eventually(good, within=20, what="nghttpd answers")


async def test_small_and_large_answers_with_trailers(served: tuple[Files, Gateway]) -> None:
    async with connect(served[1].traffic, own=True) as channel:
        await ready(channel)
        for name, expected in (("Small", SMALL), ("Large", LARGE)):
            call = method(channel, name)(b"request", timeout=20)
            assert await call == expected
            assert values(await call.trailing_metadata(), "x-last") == ["2"]


async def test_more_calls_than_streams(served: tuple[Files, Gateway]) -> None:
    async with connect(served[1].traffic, own=True) as channel:
        await ready(channel)
        calls = [method(channel, "Small")(b"request" * 1000, timeout=30) for _ in range(300)]
        calls += [method(channel, "Large")(b"", timeout=30) for _ in range(20)]
        assert set(await asyncio.gather(*calls)) == {SMALL, LARGE}


async def test_an_answer_that_is_no_grpc_is_an_error(served: tuple[Files, Gateway]) -> None:
    """It has no such file, and says so as a web server does."""
    async with connect(served[1].traffic, own=True) as channel:
        await ready(channel)
        error = await failure(method(channel, "Nothing")(b"", timeout=20))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED, error
        assert "404" in (error.details() or "")


async def test_it_may_go_and_come_back(served: tuple[Files, Gateway]) -> None:
    files, gateway = served
    async with connect(gateway.traffic, own=True) as channel:
        await ready(channel)
        files.stop()
        error = await failure(method(channel, "Small")(b"", timeout=20))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        files.start()
        await ready(channel)
