"""Pages of a list (AIP-158).

A token holds the last name of its page, so that what is created or deleted in between shifts nothing: a resource that
is there all the time is seen exactly once. A checksum binds it to the request it came from.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from bisect import bisect_right
from collections.abc import Sequence

from edge.control.conversion.scope import Scope

DEFAULT = 50
"""The size of a page nobody gave a size for."""

MOST = 1000
"""The largest page."""

_CHECKSUM = 9


def page(names: Sequence[str], *, size: int, token: str, context: str, scope: Scope) -> tuple[Sequence[str], str]:
    """Return one page and the token for the next one, which is empty on the last page.

    Args:
        names: All names, sorted.
        size: The most names to return; 0 means 50.
        token: The token of the page before. Empty begins at the first name.
        context: The method and whatever else has to be the same for each page of a list.
        scope: The request. What is wrong with it is refused there.
    """
    if size < 0:
        scope.field("page_size").refuse(f"may not be negative, and is {size}")
        return (), ""
    after = ""
    if token:
        found = _decode(token, context)
        if found is None:
            scope.field("page_token").refuse(
                "is not the token of a page of this list; leave it out to begin at the first page"
            )
            return (), ""
        after = found
    start = bisect_right(names, after) if after else 0
    taken = names[start : start + (min(size, MOST) or DEFAULT)]
    more = start + len(taken) < len(names)
    return taken, _encode(taken[-1], context) if more else ""


def _encode(last: str, context: str) -> str:
    return base64.urlsafe_b64encode(_checksum(last, context) + last.encode()).decode().rstrip("=")


def _decode(token: str, context: str) -> str | None:
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        last = data[_CHECKSUM:].decode()
    except (binascii.Error, ValueError):
        return None
    # compared as a whole, since base64 takes more than one text for the same bytes
    return last if last and _encode(last, context) == token else None


def _checksum(last: str, context: str) -> bytes:
    return hashlib.sha256(f"{context}\0{last}".encode()).digest()[:_CHECKSUM]
