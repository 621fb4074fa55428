from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from edge.listeners.http_hangup import HangupWatch


class Loop:
    """Keeps what is to be called later."""

    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []

    def call_later(self, delay: float, call: Callable[..., None], *words: Any) -> None:
        assert delay > 0
        self.later.append(lambda: call(*words))

    def turn(self) -> None:
        later, self.later = self.later, []
        for call in later:
            call()


class Transport:
    def __init__(self, bound: socket.socket) -> None:
        self.bound = bound
        self.reading = False
        self.aborted = False

    def get_extra_info(self, name: str) -> socket.socket:
        assert name == "socket"
        return self.bound

    def is_closing(self) -> bool:
        return self.aborted

    def is_reading(self) -> bool:
        return self.reading

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def made(bound: socket.socket) -> tuple[Loop, Transport, Callable[[], None]]:
    loop, transport = Loop(), Transport(bound)
    watch = HangupWatch(cast(asyncio.AbstractEventLoop, loop))
    return loop, transport, lambda: watch.watch(cast(asyncio.Transport, transport))


def test_one_look_is_waited_for_however_often_a_caller_is_stopped(pair: tuple[socket.socket, socket.socket]) -> None:
    loop, transport, watch = made(pair[0])
    for _ in range(5):
        for _ in range(100):
            watch()
        assert len(loop.later) == 1
        loop.turn()
    transport.reading = True
    loop.turn()
    assert not loop.later
    transport.reading = False
    watch()
    assert len(loop.later) == 1


def test_a_caller_that_leaves_is_aborted(pair: tuple[socket.socket, socket.socket]) -> None:
    loop, transport, watch = made(pair[0])
    pair[1].send(b"not read")
    watch()
    loop.turn()
    assert len(loop.later) == 1
    pair[1].close()
    loop.turn()
    assert transport.aborted
    assert not loop.later
