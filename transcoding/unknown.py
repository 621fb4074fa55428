"""Counts what routes take although it does not fit: fields and parameters that nobody knows (`strictness: WARN`)."""

from __future__ import annotations

import logging

_log = logging.getLogger(__name__)

_TOLD = 100
"""The most different problems of one route that are logged: callers choose the names."""


class UnknownFields:
    """The unknown fields and parameters of one route.

    Args:
        route: The name of the route.
    """

    __slots__ = ("_route", "_told", "count")

    def __init__(self, route: str) -> None:
        self.count = 0
        """How many there were."""
        self._route = route
        self._told: set[str] = set()

    def __call__(self, problem: str) -> None:
        """Count one, and log it when it is a new one.

        Args:
            problem: The path of the field, or a sentence about it.
        """
        self.count += 1
        if problem in self._told or len(self._told) >= _TOLD:
            return
        self._told.add(problem)
        _log.warning("%s: a request was taken though it does not fit: %s", self._route, problem)
