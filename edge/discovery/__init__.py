"""Where the endpoints of an upstream come from.

A source is followed: it tells the whole set of addresses whenever that changes, and how learning it goes. When it
cannot be reached the last set stays. `Sources` makes the one that a configuration asks for.
"""

from edge.discovery.base import Found, Source
from edge.discovery.dns_client import DnsClient
from edge.discovery.make import Sources
from edge.discovery.registry import EndpointRegistry
from edge.discovery.static import StaticSource

__all__ = ["DnsClient", "EndpointRegistry", "Found", "Source", "Sources", "StaticSource"]
