"""Makes the source that a configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping

from edge.discovery.base import Source
from edge.discovery.consul import ConsulSource
from edge.discovery.dns import DnsSource
from edge.discovery.dns_client import DnsClient
from edge.discovery.kubernetes import KubernetesSource, ServiceWatches
from edge.discovery.registry import EndpointRegistry, RegistrySource
from edge.discovery.static import StaticSource
from edge.model.discovery import (
    ConsulDiscovery,
    Discovery,
    DnsDiscovery,
    KubernetesDiscovery,
    RegistryDiscovery,
    StaticDiscovery,
)
from edge.model.upstreams import Upstream


class Sources:
    """Makes sources, with what all of them share.

    Args:
        registry: What has registered itself. None means a registry of its own.
        dns: Who asks name servers. None means those of the system.
    """

    def __init__(self, registry: EndpointRegistry | None = None, dns: DnsClient | None = None) -> None:
        self.registry = EndpointRegistry() if registry is None else registry
        """What has registered itself."""
        self._dns = dns or DnsClient()
        self._kubernetes = ServiceWatches()

    def keep(self, upstreams: Mapping[str, Upstream]) -> None:
        """Take over which upstreams are in force: what registered with others is forgotten."""
        self.registry.keep(
            {
                name: upstream.discovery.max_ttl
                for name, upstream in upstreams.items()
                if isinstance(upstream.discovery, RegistryDiscovery)
            }
        )

    def source_for(self, upstream: str, discovery: Discovery) -> Source:
        """Return the source of an upstream's endpoints, not started.

        Args:
            upstream: The name of the upstream.
            discovery: What its configuration says.
        """
        if isinstance(discovery, StaticDiscovery):
            return StaticSource(discovery)
        if isinstance(discovery, DnsDiscovery):
            return DnsSource(discovery, self._dns)
        if isinstance(discovery, ConsulDiscovery):
            return ConsulSource(discovery)
        if isinstance(discovery, KubernetesDiscovery):
            return KubernetesSource(discovery, self._kubernetes)
        if isinstance(discovery, RegistryDiscovery):
            return RegistrySource(upstream, self.registry)
        raise NotImplementedError(f"{type(discovery).__name__} is refused when a configuration is checked")
