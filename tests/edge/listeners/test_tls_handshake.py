"""Handshakes that fail, and what the caller and we hear of it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from pathlib import Path

import pytest

from edge.listeners.tls import TlsKeeper
from tests.edge.listeners.tls_place import (
    WAIT,
    Certificates,
    listener,
    required,
    served,
)


@pytest.fixture
def ca(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def test_the_reason_of_a_failure_is_told(ca: Certificates, tmp_path: Path) -> None:
    reasons: list[str] = []
    others = Certificates(tmp_path, "others")
    keeper = TlsKeeper(required(ca.issue("a"), ca=ca), failed=reasons.append)
    async with served(keeper) as server:
        await (await server.connect(ca.caller(ca.issue("alice")))).ask()
        await server.refusal(ca.caller())
        await server.refusal(ca.caller(others.issue("mallory")))
        ended = ca.issue("old", end=datetime.datetime(2021, 1, 1))
        assert await server.refusal(ca.caller(ended)) == "SSLV3_ALERT_CERTIFICATE_EXPIRED"
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(WAIT):
            while len(reasons) < 4:
                await asyncio.sleep(0.01)
        writer.close()
    assert reasons == [
        "peer did not return a certificate",
        "the caller's certificate is not accepted: certificate signature failure",
        "the caller's certificate is not accepted: certificate has expired",
        "http request",
    ]


async def test_who_was_refused_and_stays_is_gone_with_the_next_byte(ca: Certificates) -> None:
    async with served(TlsKeeper(listener(ca.issue("a")))) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(WAIT):
            writer.write(b"\x16\x03\x01\x00\x04\x01\x00\x00\x00")
            assert await reader.read(2) == b"\x15\x03", "an alert"
            writer.write(b"more")
            with contextlib.suppress(ConnectionResetError):
                while await reader.read(100):
                    pass
        writer.close()


async def test_who_speaks_no_tls_is_gone_at_once(ca: Certificates) -> None:
    async with served(TlsKeeper(listener(ca.issue("a")))) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(100), WAIT) == b""
        writer.close()
