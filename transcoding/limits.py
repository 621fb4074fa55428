"""The limits of sizes and of the time for a request, with the words in which a refusal names them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

from edge.model.call import Call
from edge.model.errors import DeadlineExceeded, MessageTooLarge, ResponseTooLarge
from edge.model.http import BodyTooLargeError
from transcoding.session import Session

T = TypeVar("T")

BODY_FACTOR = 4
"""How many bytes of an HTTP body there may be for each byte of the message limit: JSON is longer than protobuf."""

BODY_MARGIN = 64 * 1024
"""And how many besides."""


def limit_name(call: Call, direction: str) -> tuple[int, str]:
    """Return the largest message in bytes, and the name of the limit that says so.

    Args:
        call: A call that has been opened.
        direction: `request` or `response`.
    """
    plan = call.plan
    assert plan is not None, "the call has been opened"
    limit, own = (
        (plan.max_request_bytes, plan.route.max_request_message_bytes)
        if direction == "request"
        else (plan.max_response_bytes, plan.route.max_response_message_bytes)
    )
    return limit, (
        f"max_{direction}_message_bytes of {plan.route.name}" if own == limit else "server.limits.max_message_bytes"
    )


def too_large(call: Call, direction: str, size: int | None = None) -> MessageTooLarge:
    """Return the refusal of a message that is larger than the route allows.

    Args:
        call: A call that has been opened.
        direction: `request` or `response`.
        size: Its size in bytes, or None when it was not read to its end.
    """
    limit, name = limit_name(call, direction)
    metadata = {"limit": name, "limitBytes": str(limit)}
    if size is not None:
        metadata["messageBytes"] = str(size)
    what = f"a {direction} message of {size} bytes" if size is not None else f"the {direction}"
    kind = MessageTooLarge if direction == "request" else ResponseTooLarge
    return kind(f"{what} is larger than the {limit} bytes that {name} allows", metadata=metadata)


async def read_body(session: Session, *, streams: bool = False) -> bytes:
    """Return the body of a request that holds one message.

    Args:
        session: The call, opened.
        streams: Whether the method streams, so that the route's time limit for streams holds.

    Raises:
        MessageTooLarge: it is so long that the message in it cannot be within the limit.
        DeadlineExceeded: it did not come in time.
    """
    limit, _ = limit_name(session.call, "request")
    try:
        return await in_time(
            session.call, session.exchange.read_all(limit * BODY_FACTOR + BODY_MARGIN), streams=streams
        )
    except BodyTooLargeError:
        raise too_large(session.call, "request") from None


async def in_time(call: Call, reading: Awaitable[T], *, streams: bool) -> T:
    """Wait for what a caller sends before the upstream hears of its call, for no longer than the call may take.

    From then on the upstream's side has these limits.

    Args:
        call: A call that has been opened.
        reading: Reads the request.
        streams: Whether the method streams, so that the route's time limit for streams holds.

    Raises:
        DeadlineExceeded: the time of the caller or of the route has passed.
    """
    plan = call.plan
    assert plan is not None, "the call has been opened"
    seconds, whose = plan.stream_limit
    if not streams:
        seconds, whose = (
            plan.single.unary_limit if plan.single is not None else plan.smallest(plan.route.timeout, "route")
        )
    due, late = call.deadline, None
    if seconds is not None and (due is None or call.started + seconds < due):
        due = call.started + seconds
        name = plan.timeout_policy if whose == "policy" else plan.route.name
        if whose == "upstream" and plan.single is not None:
            name = plan.single.name
        late = f"the call took longer than the {seconds:g} s that the {whose} timeout of {name} allows"
    if due is None:
        return await reading
    limit = asyncio.timeout(due - time.monotonic())
    try:
        async with limit:
            return await reading
    except TimeoutError:
        if not limit.expired():
            raise
        if late is not None:
            raise DeadlineExceeded(late, metadata={"deadline": whose}) from None
        raise DeadlineExceeded("the caller's deadline has passed", metadata={"deadline": "caller"}) from None
