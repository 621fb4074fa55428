"""Header lists that are too large are answered and not kept, and header blocks that never end are not waited for.

After each protection has acted the gateway serves as before, and the protection is counted and in the log.
"""

from __future__ import annotations

import pytest

from tests.integration.wire.conftest import Guard
from tests.integration.wire.floods import ends
from tests.integration.wire.frames_client import (
    Code,
    continuation,
    data,
    headers,
    integer,
    literal,
)
from tests.integration.wire.place import Ask, Render, ask, body, cut, of_block
from tests.integration.wire.steps import (
    Expect,
    answered,
)

CALM = Code.ENHANCE_YOUR_CALM
MIB = 1 << 20
EXHAUSTED = "8"
"""RESOURCE_EXHAUSTED."""

HTTP_GET = ((":method", "GET"), (":scheme", "http"), (":path", "/anything"), (":authority", "localhost"))


def refused(stream: int, status: str = "200", grpc_status: str = EXHAUSTED) -> Expect:
    """A proper answer that says why not."""
    return Expect(
        f"status {status} and grpc-status {grpc_status or 'none'} on stream {stream}",
        lambda seen: (
            seen.stream(stream).ended
            and seen.stream(stream).status == status
            and seen.stream(stream).field("grpc-status") == grpc_status
        ),
        lambda seen: bool(seen.code) or seen.stream(stream).ended,
    )


def many(stream: int, fields: int, size: int) -> Render:
    """A request with so many fields of this size more."""
    return ask(stream, add=[(f"x-{number:04}", "v" * size) for number in range(fields)])


async def test_a_header_list_too_large_is_answered_and_the_connection_goes_on(guard: Guard) -> None:
    async with guard(max_metadata_bytes=4096) as at:
        talk = await at.talk()
        await talk.say(at.place, many(1, 30, 500), refused(1), ask(3), answered(3, status="200"))
        await at.acted("header_list")


async def test_a_header_list_just_above_the_limit_is_refused_and_counted(guard: Guard) -> None:
    async with guard(max_metadata_bytes=4096) as at:
        talk = await at.talk()
        await talk.say(at.place, many(1, 9, 500), refused(1), many(3, 4, 500), answered(3, status="200"))
        await at.acted("header_list")


async def test_a_header_list_too_large_keeps_the_tables_in_step(guard: Guard) -> None:
    async with guard(max_metadata_bytes=4096) as at:
        talk = await at.talk()
        large = literal("x-kept", "1", 0x40) + literal("x-large", "v" * 12_000)
        await talk.say(at.place, of_block(lambda found: headers(1, found + large)), refused(1))
        # the field that the refused block put into the table
        await talk.say(at.place, of_block(lambda found: headers(3, found + integer(62, 7, 0x80))), answered(3))
        await at.acted("header_list")


async def test_a_header_list_too_large_of_an_http_caller_is_431(guard: Guard) -> None:
    async with guard(max_metadata_bytes=4096) as at:
        talk = await at.talk()
        large = literal("x-large", "v" * 12_000)
        plain = b"".join(literal(name, value) for name, value in HTTP_GET)
        await talk.say(at.place, headers(1, plain + large), refused(1, "431", ""), ask(3), answered(3))
        await at.acted("header_list")


async def test_a_header_list_too_large_in_continuation_is_answered(guard: Guard) -> None:
    async with guard(max_metadata_bytes=8192) as at:
        talk = await at.talk()
        large = b"".join(literal(f"x-{number}", "v" * 1000) for number in range(24))
        parts = cut(20, lambda a, b: headers(1, a, last=False) + continuation(1, b, last=False))
        await talk.say(at.place, parts, continuation(1, large[:13_000], last=False), continuation(1, large[13_000:]))
        await talk.say(at.place, refused(1), ask(3), answered(3))
        await at.acted("header_list")


async def test_too_many_headers_are_answered_and_the_connection_goes_on(guard: Guard) -> None:
    async with guard(max_headers=32) as at:
        talk = await at.talk()
        await talk.say(at.place, many(1, 33, 1), refused(1), many(3, 16, 1), answered(3, status="200"))
        await at.acted("header_count")


async def test_too_many_headers_of_a_request_with_a_body_are_answered(guard: Guard) -> None:
    async with guard(max_headers=32) as at:
        talk = await at.talk()
        fields = [(f"x-{number}", "") for number in range(40)]
        await talk.say(at.place, ask(1, Ask.POST, add=fields), body(20, lambda found: data(1, found)), refused(1))
        await talk.say(at.place, data(1, bytes(20), end=True), ask(3), answered(3))
        await at.acted("header_count")


async def test_an_hpack_bomb_is_refused_without_being_kept(guard: Guard) -> None:
    """A table entry of 4,000 bytes and 15,000 references to it: 60 MB from one frame, a hundred times."""
    async with guard() as at:
        talk = await at.talk(patience=30)
        await talk.say(
            at.place, of_block(lambda found: headers(1, found + literal("x-bomb", "b" * 3900, 0x40))), answered(1)
        )
        at.weigh()

        def bomb(stream: int) -> Render:
            return of_block(lambda found: headers(stream, found + integer(62, 7, 0x80) * 15_000))

        for number in range(3, 203, 2):
            await talk.say(at.place, bomb(number), refused(number))
        assert at.grown() < 32 * MIB
        await talk.say(at.place, ask(203), answered(203))
        await at.acted("header_list", 100)


@pytest.mark.parametrize(
    ("fragment", "times"), [(b"", 20_000), (b"\x82", 20_000), (bytes(16384), 4000)], ids=["empty", "tiny", "full"]
)
async def test_a_continuation_flood_ends_the_connection(guard: Guard, fragment: bytes, times: int) -> None:
    async with guard() as at:
        talk = await at.talk()
        await talk.say(at.place, cut(20, lambda a, _: headers(1, a, last=False)))
        at.weigh()
        await ends(talk, continuation(1, fragment, last=False), times)
        assert at.grown() < 16 * MIB
        await at.acted("continuation_flood")
