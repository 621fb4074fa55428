"""The limits of sizes, with the words in which a refusal names them."""

from __future__ import annotations

from edge.model.call import Call
from edge.model.errors import MessageTooLarge, ResponseTooLarge
from edge.model.http import BodyTooLargeError
from transcoding.session import Session

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


async def read_body(session: Session) -> bytes:
    """Return the body of a request that holds one message.

    Raises:
        MessageTooLarge: it is so long that the message in it cannot be within the limit.
    """
    limit, _ = limit_name(session.call, "request")
    try:
        return await session.exchange.read_all(limit * BODY_FACTOR + BODY_MARGIN)
    except BodyTooLargeError:
        raise too_large(session.call, "request") from None
