"""Playing a case against a server."""

from __future__ import annotations

import asyncio
import dataclasses

from tests.integration.wire.frames_client import (
    PREFACE,
    SETTINGS_ACK,
    Client,
    Closed,
    Spoke,
    data,
    settings,
)
from tests.integration.wire.place import Place, Render
from tests.integration.wire.seen import Seen
from tests.integration.wire.steps import Case, Expect, Finish, Slowly, Step, Upload

PATIENCE = 5.0
"""Seconds a server has for each thing that is expected of it."""


class Deviates(AssertionError):
    """The server did not do what a case expects."""


class Conversation:
    """A connection and what was seen on it."""

    def __init__(self, client: Client, patience: float = PATIENCE) -> None:
        self.client = client
        self.seen = Seen()
        self.patience = patience

    @classmethod
    async def open(
        cls, address: str, *hello: tuple[int, int], source: str = "", patience: float = PATIENCE
    ) -> Conversation:
        """Connect, send the preface and SETTINGS and wait until both sides have acknowledged them."""
        found = cls(await Client.open(address, source=source), patience)
        try:
            await found.greet(hello)
        except BaseException:
            await found.close()
            raise
        return found

    async def greet(self, hello: tuple[tuple[int, int], ...]) -> None:
        """Send the preface and SETTINGS and wait until both sides have acknowledged them."""
        await self.send(PREFACE + settings(*hello))
        await self.expect(
            Expect("SETTINGS", lambda seen: seen.settings_frames > 0 and seen.acks > 0, lambda seen: seen.closed)
        )

    async def send(self, octets: bytes) -> None:
        """Send octets."""
        self.seen.sent(octets)
        await self.client.write(octets)

    async def expect(self, wanted: Expect) -> None:
        """Read until it has happened.

        Raises:
            Deviates: it did not, or cannot any more, or something came that never may.
        """
        try:
            async with asyncio.timeout(self.patience):
                while not wanted.met(self.seen):
                    if wanted.wrong(self.seen):
                        raise Deviates(f"expected {wanted.words}; {self.told()}")
                    if self.seen.closed:
                        raise Deviates(f"expected {wanted.words}, but the connection ended; {self.told()}")
                    await self.step()
        except TimeoutError:
            raise Deviates(f"expected {wanted.words} within {self.patience:g} s; {self.told()}") from None
        if self.seen.violations:
            raise Deviates("; ".join(self.seen.violations))

    async def step(self) -> None:
        """Read a frame and acknowledge SETTINGS."""
        before = self.seen.settings_frames
        try:
            self.seen.feed(await self.client.read())
        except Closed:
            self.seen.closed = True
        except Spoke as words:
            self.seen.spoken = str(words)
            self.seen.closed = True
        if self.seen.settings_frames > before:
            await self.send(SETTINGS_ACK)

    async def upload(self, step: Upload, body: bytes) -> None:
        """Send a body as far as the windows of the server allow, waiting for more of them."""
        view = memoryview(body)
        over = 0 if step.pad is None else step.pad + 1
        while view:
            await self.expect(
                Expect(
                    f"credit for the body of stream {step.stream}",
                    lambda seen: seen.windows.room(step.stream) > over,
                    lambda seen: seen.closed or (seen.stream(step.stream).reset is not None and not step.anyway),
                )
            )
            size = min(self.seen.windows.room(step.stream), step.piece) - over
            part, view = view[:size], view[size:]
            await self.send(data(step.stream, bytes(part), end=step.end and not view, pad=step.pad))

    async def take(self, step: Step, place: Place) -> None:
        """Take a step of a case.

        Raises:
            Deviates: the server did something else.
            Inapplicable: the server does not offer what the case asks for.
        """
        here = dataclasses.replace(place, settings=self.seen.settings)
        match step:
            case Expect():
                await self.expect(step)
            case Upload():
                await self.upload(step, place.body(step.octets))
            case Slowly():
                for octet in step.of.make(here) if isinstance(step.of, Render) else step.of:
                    await self.send(bytes((octet,)))
            case Finish():
                self.client.finish()
            case Render():
                await self.send(step.make(here))
            case bytes():
                await self.send(step)

    async def say(self, place: Place, *steps: Step | tuple[Step, ...]) -> None:
        """Take steps one after the other."""
        for step in steps:
            for each in step if isinstance(step, tuple) else (step,):
                await self.take(each, place)

    async def close(self) -> None:
        """Close the connection at once."""
        await self.client.close()

    def told(self) -> str:
        """Say what was seen."""
        seen = self.seen
        words = [f"{seen.frames} frames"]
        for number, stream in sorted(seen.streams.items()):
            answer = f"stream {number}: status {stream.status or 'none'}, {stream.octets} octets"
            grpc_status = stream.field("grpc-status")
            answer += f", grpc-status {grpc_status} {stream.field('grpc-message')}" if grpc_status else ""
            answer += ", ended" if stream.ended else ""
            answer += f", reset {stream.reset}" if stream.reset is not None else ""
            words.append(answer)
        words += [f"GOAWAY last stream {last} code {code}" for last, code in seen.goaways]
        words += ["closed"] if seen.closed else []
        words += [f"HTTP/1 {seen.spoken[:80]!r}"] if seen.spoken else []
        return "seen: " + "; ".join([*words, *seen.violations])


async def play(case: Case, place: Place, patience: float = PATIENCE) -> None:
    """Play a case on a connection of its own.

    Raises:
        Deviates: the server did something else.
        Inapplicable: the server does not offer what the case asks for.
        OSError: there is no server.
    """
    talk = Conversation(await Client.open(place.address), patience)
    try:
        if not case.raw:
            await talk.greet(case.hello)
        for step in case.steps:
            await talk.take(step, place)
    finally:
        await talk.close()
