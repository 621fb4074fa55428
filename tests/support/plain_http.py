"""A gateway in front of plain HTTP backends."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.support.gateway import Gateway
from tests.support.http_backend import HttpBackend, RawCaller, Request
from tests.support.processes import free_port


@dataclass
class Place:
    """A gateway and what is behind it."""

    gateway: Gateway
    backend: HttpBackend
    secure: HttpBackend
    local: HttpBackend
    dead_port: int

    def caller(self) -> RawCaller:
        return RawCaller(self.gateway.http)


@contextlib.asynccontextmanager
async def plain_http(folder: Path) -> AsyncIterator[Place]:
    """Run a gateway whose routes are named after what is special about them, or about their upstream."""
    await asyncio.to_thread(folder.mkdir)
    authority, stranger = trustme.CA(), trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("backend.internal").configure_cert(tls)
    for name, ca in (("ca.pem", authority), ("stranger.pem", stranger)):
        ca.cert_pem.write_to_path(str(folder / name))
    dead = free_port()
    socket_path = folder / "backend.sock"
    async with (
        HttpBackend() as backend,
        HttpBackend(tls=tls) as secure,
        HttpBackend(path=str(socket_path)) as local,
    ):

        def up(name: str, address: str, **more: object) -> dict[str, object]:
            static = {"endpoints": [{"address": address}]}
            return {"name": f"upstreams/{name}", "protocol": "HTTP", "static": static, **more}

        def to(name: str, upstream: str, **more: object) -> dict[str, object]:
            return {
                "name": f"routes/{name}",
                "matches": [{"http": {"path": f"/{name}/**"}}],
                "forward": {"upstreams": [{"upstream": f"upstreams/{upstream}"}]},
                **more,
            }

        def trust(name: str) -> dict[str, str]:
            return {"ca_file": str(folder / name), "server_name": "backend.internal"}

        configuration = {
            "upstreams": [
                up("b", backend.address),
                up("named", backend.address, authority="backend.internal"),
                up("local", local.address),
                up("secure", secure.address, tls=trust("ca.pem")),
                up("mistrusted", secure.address, tls=trust("stranger.pem")),
                up("dead", f"127.0.0.1:{dead}", connection={"max_backoff": "0.1s"}),
                up("hasty", backend.address, timeout="0.3s"),
            ],
            "routes": [
                *(to(name, name) for name in ("b", "named", "local", "secure", "mistrusted", "dead", "hasty")),
                to("slow", "b", timeout="0.3s"),
                to("idle", "b", stream_idle_timeout="0.3s"),
                to("total", "b", stream_timeout="0.6s"),
                to("small", "b", max_request_message_bytes=1000),
                to("changed", "b", policies=["policies/headers"]),
                {**to("any", "b"), "matches": [{"http": {"path": "/**"}, "hosts": ["all.example"]}]},
                {**to("guarded", "b"), "matches": [{"http": {"path": "/guarded/**"}, "hosts": ["all.example"]}]},
                {
                    "name": "routes/old",
                    "matches": [{"http": {"path": "/old/{id}"}}],
                    "redirect": {"path": "/new/{id}", "https": True, "host": "shop.example.com", "status": 308},
                },
                {
                    "name": "routes/gone",
                    "matches": [{"http": {"path": "/gone"}}],
                    "direct_response": {"code": 5, "message": "it is gone"},
                },
                {"name": "routes/fine", "matches": [{"http": {"path": "/fine"}}], "direct_response": {"code": 0}},
            ],
            "policies": [
                {
                    "name": "policies/headers",
                    "header": {
                        "request": {"remove": ["x-secret"], "set": {"x-user": "alice"}},
                        "response": {"remove": ["x-internal"], "set": {"x-frame-options": "DENY"}},
                    },
                }
            ],
        }
        gateway = Gateway("gateway", folder, configuration)
        await asyncio.to_thread(gateway.start)
        try:
            yield Place(gateway, backend, secure, local, dead)
        finally:
            await asyncio.to_thread(gateway.stop)


def says(body: bytes, *headers: bytes, status: int = 200) -> Callable[[Request], Awaitable[None]]:
    async def answer(request: Request) -> None:
        await request.body()
        await request.reply(body, status, *headers)

    return answer


def keep(found: list[Request], body: bytes = b"ok") -> Callable[[Request], Awaitable[None]]:
    async def answer(request: Request) -> None:
        found.append(request)
        await request.body()
        await request.reply(body)

    return answer
