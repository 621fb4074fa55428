"""How long to wait before a source that failed is asked again. Pure."""

from __future__ import annotations

LEAST = 1.0
"""Seconds before the first other attempt, unless a source says otherwise."""

MOST = 60.0
"""The longest wait in seconds, unless a source says otherwise."""

_DOUBLINGS = 32
"""More doublings than any pair of limits needs; keeps the power small whatever the count of failures."""


def backoff(failures: int, draw: float, *, least: float = LEAST, most: float = MOST) -> float:
    """Return the seconds to wait: twice as many after each failure, less up to a half by the draw.

    The draw keeps gateways that lost the same server at the same moment from coming back at the same moment.

    Args:
        failures: The failed attempts in a row, 1 or more.
        draw: A random number from 0 to 1.
        least: The seconds after the first failure, before the draw.
        most: The most seconds, before the draw.
    """
    whole = min(most, least * 2.0 ** min(max(failures, 1) - 1, _DOUBLINGS))
    return whole * (1.0 - draw / 2.0)
