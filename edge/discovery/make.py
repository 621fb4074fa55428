"""Makes the source that a configuration asks for."""

from __future__ import annotations

from edge.discovery.base import Source
from edge.discovery.static import StaticSource
from edge.model.discovery import Discovery, StaticDiscovery


def source_for(discovery: Discovery) -> Source:
    """Return the source of an upstream's endpoints, not started."""
    if isinstance(discovery, StaticDiscovery):
        return StaticSource(discovery)
    raise NotImplementedError(f"{type(discovery).__name__} is refused when a configuration is checked")
