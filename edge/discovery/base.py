"""What every source of endpoints promises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from edge.model.endpoint import EndpointAddress
from edge.model.snapshot import SourceState
from edge.model.watch import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a source has found."""

    addresses: tuple[EndpointAddress, ...] = ()
    """The whole set, in a stable order, each address once."""

    state: SourceState = field(default_factory=SourceState)
    """How learning it goes."""


class Source(Protocol):
    """Somewhere endpoints come from."""

    found: Watch[Found]
    """The latest set."""

    def start(self) -> None:
        """Begin to follow the source."""
        ...

    async def close(self) -> None:
        """End that."""
        ...
