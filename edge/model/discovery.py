"""Where the endpoints of an upstream come from, as validated, frozen values. Durations are in seconds."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from edge.model.endpoint import EndpointAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticDiscovery:
    """Endpoints listed in the configuration."""

    endpoints: tuple[EndpointAddress, ...]
    """The endpoints."""


class RecordType(enum.Enum):
    """The DNS records that are asked for."""

    ADDRESS = "A and AAAA"
    SRV = "SRV"


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsDiscovery:
    """Endpoints behind a DNS name."""

    hostname: str
    """The name to resolve."""

    port: int = 0
    """The port of every endpoint. 0 with SRV records, which carry their own."""

    record_type: RecordType = RecordType.ADDRESS
    """The records that are asked for."""

    refresh_interval: float | None = None
    """The most seconds between two resolutions. None means the TTL of the records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesDiscovery:
    """Endpoints of the EndpointSlices of a Kubernetes service."""

    service: str
    """The name of the service."""

    namespace: str = ""
    """Its namespace. Empty means that of the gateway's pod or of the kubeconfig's context."""

    port_name: str = ""
    """The name of the port. Empty with `port_number`, or when the service has just one."""

    port_number: int = 0
    """The number of the endpoints' port. 0 means not given."""

    kubeconfig: str = ""
    """The kubeconfig file. Empty means the service account of the pod."""

    context: str = ""
    """The context within it. Empty means the current one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsulDiscovery:
    """The healthy instances of a Consul service."""

    service: str
    """The name of the service."""

    address: str = "http://127.0.0.1:8500"
    """The URL of the agent."""

    tags: tuple[str, ...] = ()
    """The tags an instance has to have, all of them."""

    datacenter: str = ""
    """The datacenter. Empty means the agent's."""

    token_file: str = ""
    """The file that holds the ACL token, read again for each connection. Empty means none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryDiscovery:
    """Endpoints that register themselves with EndpointService."""

    max_ttl: float = 300.0
    """The longest lease in seconds an instance may ask for."""


Discovery = StaticDiscovery | DnsDiscovery | KubernetesDiscovery | ConsulDiscovery | RegistryDiscovery
"""Where endpoints come from."""
