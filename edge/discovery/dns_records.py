"""What the records of a name mean for an upstream: which endpoints, with which weights, and for how long. Pure."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from edge.model.endpoint import EndpointAddress

LEAST_WAIT: Final = 1.0
"""The fewest seconds between two resolutions, whatever the TTL: 0 would be a question for each turn of the loop."""

MOST_WAIT: Final = 3600.0
"""The most seconds between two resolutions, whatever the TTL: it may be days, and the records wrong."""

MOST_ENDPOINTS: Final = 5_000
"""The most endpoints of one name; what is beyond is left out and said."""

_MOST_WEIGHT: Final = 1_000_000

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
"""An address of either family."""


@dataclass(frozen=True, slots=True)
class Service:
    """One SRV record (RFC 2782)."""

    priority: int
    """Which group it is in. Those of the smallest number come first."""

    weight: int
    """Its share within the group."""

    port: int
    """The port."""

    host: str
    """The name of the host, without the dot at the end. Empty where the service is said not to be there."""


@dataclass(slots=True)
class Endpoints:
    """What the records of a name come to."""

    addresses: tuple[EndpointAddress, ...] = ()
    """The endpoints, sorted by family, address and port: name servers shuffle their answers."""

    problems: list[str] = field(default_factory=list)
    """What was left out and why, for people."""


def wait(ttl: float | None, refresh_interval: float | None) -> float | None:
    """Return the seconds until the next resolution.

    Args:
        ttl: For how many seconds the records hold. None means for ever.
        refresh_interval: The most seconds the configuration allows. None means what the records say.
    """
    if ttl is None:
        return None
    return min(max(ttl if refresh_interval is None else min(ttl, refresh_interval), LEAST_WAIT), MOST_WAIT)


def groups(services: Iterable[Service]) -> list[list[Service]]:
    """Return the records by priority, the most wanted first, each once and in a stable order."""
    ordered = sorted(set(services), key=lambda one: (one.priority, one.host, one.port, one.weight))
    return [list(group) for _, group in groupby(ordered, key=lambda one: one.priority)]


def address_endpoints(addresses: Iterable[str], port: int) -> Endpoints:
    """Return the endpoints of A and AAAA records."""
    return _endpoints((address, port, 1) for address in addresses)


def service_endpoints(group: Sequence[Service], hosts: Mapping[str, Sequence[str]]) -> Endpoints:
    """Return the endpoints of SRV records of one priority.

    A record's weight is shared by the addresses of its host. RFC 2782 gives records of weight 0 a very small share
    beside others, and all of them the same one where there is nothing else: here they have the weight 1.

    Args:
        group: The records.
        hosts: The addresses of their hosts. Those without any are passed over.
    """
    present = [(service, hosts[service.host]) for service in group if hosts.get(service.host)]
    heaviest = max((service.weight for service, _ in present), default=1) or 1
    # multiplied so that each share is whole: 10 for two addresses beside 10 for three become 30 each and 20 each
    scale = min(math.lcm(*(len(addresses) for _, addresses in present)), _MOST_WEIGHT // heaviest)
    return _endpoints(
        (address, service.port, max(1, round((service.weight or 1) * scale / len(addresses))))
        for service, addresses in present
        for address in addresses
    )


def _endpoints(found: Iterable[tuple[str, int, int]]) -> Endpoints:
    """Return the endpoints of addresses with ports and weights, without those no call could be sent to."""
    result = Endpoints()
    weights: dict[tuple[int, int, int, str], int] = {}
    for text, port, weight in found:
        address = ipaddress.ip_address(text)
        if problem := _problem(address, port):
            if problem not in result.problems:
                result.problems.append(problem)
            continue
        name = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
        key = (address.version, int(address), port, name)
        weights[key] = min(weights.get(key, 0) + weight, _MOST_WEIGHT)
    if len(weights) > MOST_ENDPOINTS:
        result.problems.append(f"{len(weights) - MOST_ENDPOINTS} endpoints beyond the {MOST_ENDPOINTS} are left out")
    kept = sorted(weights.items())[:MOST_ENDPOINTS]
    result.addresses = tuple(EndpointAddress(key[3], weight) for key, weight in kept)
    return result


def _problem(address: IpAddress, port: int) -> str:
    if address.is_unspecified or address.is_multicast:
        return f"{address} is no address that calls can be sent to and is left out; mend the records"
    if not port:
        return f"{address} comes with port 0 and is left out; mend the SRV records"
    return ""
