"""Where the endpoints of an upstream come from.

A source is followed: it tells the whole set of addresses whenever that changes, and how learning it goes. When it
cannot be reached the last set stays. This version has static endpoints; DNS, Kubernetes, Consul and the registry join
here.
"""

from edge.discovery.base import Found, Source
from edge.discovery.make import source_for
from edge.discovery.static import StaticSource

__all__ = ["Found", "Source", "StaticSource", "source_for"]
