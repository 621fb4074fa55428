"""A bookstore as a process, and a plain grpcio client of it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from bookstore.v1 import bookstore_pb2_grpc

SERVER = Path(__file__).resolve().parents[2] / "examples" / "bookstore" / "server.py"
Started = tuple[subprocess.Popen[str], str]


def start_bookstore(name: str) -> Started:
    """The process of a bookstore on a free port, and its address."""
    command = [sys.executable, str(SERVER), "--port", "0", "--name", name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.fullmatch(r"bookstore \S+ listens on (127\.0\.0\.1:\d+)\n", line)
    assert match, line
    return process, match[1]


@pytest.fixture
def start() -> Callable[[str], Started]:
    return start_bookstore


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    process, address = start_bookstore("one")
    with process:
        try:
            yield address
        finally:
            process.terminate()
            assert process.wait(10) == 0


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return bookstore_pb2_grpc.BookstoreServiceStub(channel)  # type: ignore[no-untyped-call]
