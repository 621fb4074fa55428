"""What Consul's health endpoint says of a service, as addresses. Pure.

Source: the HTTP API of Consul, "List Service Instances for Service" (`GET /v1/health/service/:service`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edge.model.endpoint import EndpointAddress

_MAX_LABELS: Final = 32
_ZONE_KEYS: Final = ("zone", "availability_zone", "topology.kubernetes.io/zone")


@dataclass(frozen=True, slots=True)
class Instances:
    """The usable instances of a service, and what became of the others."""

    addresses: tuple[EndpointAddress, ...]
    """Those that take calls, by address."""

    critical: int
    """How many fail a check or are in maintenance."""

    others: tuple[str, ...]
    """Why further ones were left out, for people."""


def instances(entries: Sequence[Any], tags: Sequence[str] = ()) -> Instances:
    """Return the instances that take calls.

    An instance is out while any check of it or its node is critical. While one is a warning it has the weight that its
    registration says for that (`Weights.Warning`), else `Weights.Passing`.

    Args:
        entries: The JSON array that Consul has answered with.
        tags: The tags an instance has to have, all of them.
    """
    found: dict[str, EndpointAddress] = {}
    others: list[str] = []
    critical = 0
    for entry in entries:
        service = _mapping(entry, "Service")
        node = _mapping(entry, "Node")
        if not set(tags) <= set(service.get("Tags") or ()):
            continue
        name = str(service.get("ID") or service.get("Service") or "?")
        statuses = {str(check.get("Status")) for check in _checks(entry)}
        if statuses & {"critical", "maintenance"}:
            critical += 1
            continue
        address = _address(service, node)
        if not address:
            others.append(f"instance {name} has no usable address and port")
            continue
        weight = _weight(service, warning="warning" in statuses)
        if weight < 1:
            others.append(f"instance {name} at {address} has the weight 0")
            continue
        labels = {"node": str(node.get("Node", "")), **{str(key): str(value) for key, value in _meta(service).items()}}
        found.setdefault(
            address,
            EndpointAddress(
                address,
                weight,
                _zone(service, node),
                labels=tuple(sorted(labels.items()))[:_MAX_LABELS],
            ),
        )
    return Instances(tuple(found[key] for key in sorted(found)), critical, tuple(others))


def _mapping(entry: Any, key: str) -> Mapping[str, Any]:
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, dict) else {}


def _checks(entry: Any) -> list[Mapping[str, Any]]:
    checks = entry.get("Checks") if isinstance(entry, dict) else None
    return [check for check in checks or () if isinstance(check, dict)]


def _meta(part: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = part.get("Meta")
    return meta if isinstance(meta, dict) else {}


def _address(service: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    host = str(service.get("Address") or node.get("Address") or "")
    port = service.get("Port")
    if host.startswith("unix:"):
        return host
    if not host or not isinstance(port, int) or not 0 < port < 65536 or any(letter.isspace() for letter in host):
        return ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _weight(service: Mapping[str, Any], *, warning: bool) -> int:
    weights = service.get("Weights")
    weight = weights.get("Warning" if warning else "Passing", 1) if isinstance(weights, dict) else 1
    return weight if isinstance(weight, int) else 1


def _zone(service: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    for part in (service, node):
        locality = part.get("Locality")
        if isinstance(locality, dict) and locality.get("Zone"):
            return str(locality["Zone"])
        for key in _ZONE_KEYS:
            if zone := _meta(part).get(key):
                return str(zone)
    return ""
