"""Counts of what protections have done, by name, for health, metrics and log."""

from __future__ import annotations

import logging
import time

_log = logging.getLogger(__name__)

LOG_INTERVAL = 1.0
"""Seconds between two log lines of one protection: a flood must not become a flood of lines."""


class Protections:
    """How often each protection has acted. The names are in the code, so that there are few."""

    __slots__ = ("_logged", "counts")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        """How often, by name."""
        self._logged: dict[str, tuple[float, int]] = {}

    def act(self, name: str, peer: str, words: str) -> None:
        """Count one time, and say so in the log at most once in `LOG_INTERVAL`.

        Args:
            name: The protection, as in `rapid_reset`.
            peer: Against whom.
            words: What was done and why, without secrets.
        """
        count = self.counts[name] = self.counts.get(name, 0) + 1
        now = time.monotonic()
        last, logged = self._logged.get(name, (-LOG_INTERVAL, 0))
        if now - last >= LOG_INTERVAL:
            self._logged[name] = (now, count)
            more = count - logged - 1
            _log.warning("%s: %s from %s%s", name, words, peer, f"; {more} more before" if more > 0 else "")
