"""Endpoints listed in the configuration."""

from __future__ import annotations

import time

from edge.discovery.base import Found
from edge.model.discovery import StaticDiscovery
from edge.model.snapshot import SourceState
from edge.model.watch import Watch


class StaticSource:
    """Tells the endpoints of the configuration, once."""

    __slots__ = ("found",)

    def __init__(self, discovery: StaticDiscovery) -> None:
        state = SourceState(success_time=time.time())
        self.found = Watch(Found(addresses=tuple(dict.fromkeys(discovery.endpoints)), state=state))

    def start(self) -> None:
        """Do nothing: there is nothing to follow."""

    async def close(self) -> None:
        """Do nothing: there is nothing to end."""
