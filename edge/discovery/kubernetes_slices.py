"""EndpointSlices of a Kubernetes service → the addresses of its endpoints. Pure.

A slice is read once, when it comes or changes, and kept by its name; a service of 1,000 endpoints has ten or more. The
meaning of the conditions is that of the API (discovery.k8s.io/v1, EndpointConditions): `ready` is what
publishNotReadyAddresses sets for every endpoint of a service, so nothing else has to be known of that. `v1beta1` has
the zone in `topology`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.model.endpoint import EndpointAddress

ZONE_LABEL = "topology.kubernetes.io/zone"
"""Where v1beta1 has the zone."""

_VERSIONS = {"IPv4": 4, "IPv6": 6}
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class SlicePort:
    """A port of a slice, which is a port of the pods and not of the service."""

    name: str
    """Its name. Empty for the only port of a service that names none."""

    number: int
    """Its number."""


@dataclass(frozen=True, slots=True)
class SliceEndpoint:
    """An endpoint of a slice that can serve."""

    host: str
    """The IP address, in brackets if it is IPv6."""

    draining: bool
    """Whether its pod is terminating and still serves."""

    zone: str
    """Its zone. Empty when that is not known."""

    pod: str
    """The `uid` of what it stands for, which an address of the other family has as well. Empty when there is none."""

    labels: tuple[tuple[str, str], ...]
    """Pod and node, for people."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One EndpointSlice, read."""

    family: str
    """`IPv4`, `IPv6`, or something else that has no IP addresses."""

    ports: tuple[SlicePort, ...] | None
    """The TCP ports. None means that it restricts none."""

    endpoints: tuple[SliceEndpoint, ...]
    """The endpoints that are ready, or serving while they terminate."""

    refused: tuple[str, ...] = ()
    """What was wrong with endpoints that were left out, for people."""

    unready: int = 0
    """How many were left out since they are not ready."""


@dataclass(frozen=True, slots=True)
class PortChoice:
    """Which port of the endpoints is meant."""

    name: str = ""
    """Its name. Empty with `number`, or when there is just one port."""

    number: int = 0
    """Its number. 0 means not given."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What slices say."""

    addresses: tuple[EndpointAddress, ...] | None
    """The addresses, in the order of their texts. None when the port is not clear: nothing is known then."""

    problems: tuple[str, ...] = field(default=())
    """What is wrong or missing, for people."""


def read_slice(document: Mapping[str, Any]) -> Slice:
    """Read an EndpointSlice as the API server sends it. What is not as it should be is left out and said."""
    family = document.get("addressType") or ""
    endpoints: list[SliceEndpoint] = []
    refused: list[str] = []
    unready = 0
    for entry in document.get("endpoints") or ():
        conditions = entry.get("conditions") or {}
        ready = conditions.get("ready")
        if ready is None:
            ready = True  # "A nil value should be interpreted as true"
        # "If nil, consumers should defer to the ready condition": serving alone counts only while terminating
        draining = not ready and conditions.get("terminating") is True and conditions.get("serving") is True
        if not ready and not draining:
            unready += 1
            continue
        target = entry.get("targetRef") or {}
        zone = entry.get("zone") or (entry.get("topology") or {}).get(ZONE_LABEL) or ""
        labels = _labels(target, entry)
        for text in entry.get("addresses") or ():
            if (host := _host(text, family)) is None:
                refused.append(f"`{text}` is no {family} address")
                continue
            endpoints.append(SliceEndpoint(host, draining, zone, target.get("uid") or "", labels))
    return Slice(family, _ports(document.get("ports")), tuple(endpoints), tuple(refused), unready)


def resolve(slices: Iterable[Slice], choice: PortChoice) -> Resolved:
    """Return the addresses of all slices of a service: each once, ready before draining, IPv4 before IPv6 of a pod."""
    problems: list[str] = []
    usable: list[Slice] = []
    for one in slices:
        problems.extend(one.refused[:_MOST_NAMED])
        if one.family in _VERSIONS:
            usable.append(one)
        else:
            problems.append(f"a slice with addresses of type `{one.family}` is not used: only IPv4 and IPv6 are")
    numbers, unclear = _numbers(usable, choice)
    if unclear:
        return Resolved(None, (unclear, *dict.fromkeys(problems)))
    found: dict[str, SliceEndpoint] = {}
    by_ipv4: set[str] = set()
    # the slices of IPv4 first, to know the pods that they reach
    for one, number in sorted(zip(usable, numbers, strict=True), key=lambda pair: pair[0].family):
        if not number:
            continue
        for endpoint in one.endpoints:
            if one.family == "IPv4":
                by_ipv4.add(endpoint.pod)
            elif endpoint.pod and endpoint.pod in by_ipv4:
                continue
            address = f"{endpoint.host}:{number}"
            # while the controller moves an endpoint it is in two slices for a moment, of which one is stale
            if (other := found.get(address)) is None or (other.draining and not endpoint.draining):
                found[address] = endpoint
    if not found:
        problems.append(_empty(usable))
    return Resolved(
        tuple(
            EndpointAddress(address, 1, one.zone, "", one.draining, None, one.labels)
            for address, one in sorted(found.items())
        ),
        tuple(dict.fromkeys(problems)),
    )


def _empty(slices: list[Slice]) -> str:
    unready = sum(one.unready for one in slices)
    if unready:
        return f"none of its {unready} endpoints is ready"
    return "it has no endpoints" if slices else "it has no EndpointSlices: no such service, or no pod that it selects"


def _numbers(slices: list[Slice], choice: PortChoice) -> tuple[list[int], str]:
    """Return the port number of each slice, 0 for a slice that has nothing at that port; or what is not clear."""
    # a service without pods keeps an empty slice without ports, which says nothing
    telling = [one for one in slices if one.ports or one.endpoints]
    ports = list(dict.fromkeys(port for one in telling for port in one.ports or ()))
    names = list(dict.fromkeys(port.name for port in ports))
    wanted = choice.name
    if choice.number:
        numbers = [
            choice.number if one.ports is None or any(port.number == choice.number for port in one.ports) else 0
            for one in slices
        ]
        if telling and not any(numbers):
            return [], (
                f"no endpoint has the port {choice.number}, but {_named(ports)}; `port_number` is a port of the pods "
                "(targetPort), not of the service"
            )
        return numbers, ""
    if telling and not ports:
        return [], "its EndpointSlices name no TCP port: say `port_number`"
    if wanted and telling and wanted not in names:
        return [], f"it has no TCP port with the name `{wanted}`, but {_named(ports)}"
    if not wanted and len(names) > 1:
        return [], f"it has several ports, {_named(ports)}: say which with `port_name` or `port_number`"
    if not wanted and names:
        wanted = names[0]
    return [next((port.number for port in one.ports or () if port.name == wanted), 0) for one in slices], ""


def _named(ports: Iterable[SlicePort]) -> str:
    """Return ports for people, not all of too many."""
    words = [f"`{port.name}` ({port.number})" if port.name else str(port.number) for port in ports]
    more = len(words) - _MOST_NAMED
    return ", ".join(words[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _ports(entries: Any) -> tuple[SlicePort, ...] | None:
    if not entries:
        return None  # "When ports is empty, it indicates that there are no defined ports": any may be asked for
    if any((entry.get("protocol") or "TCP") == "TCP" and entry.get("port") is None for entry in entries):
        return None  # "If this is not specified, ports are not restricted"
    return tuple(
        SlicePort(entry.get("name") or "", entry["port"])
        for entry in entries
        if (entry.get("protocol") or "TCP") == "TCP"
    )


def _labels(target: Mapping[str, Any], entry: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    named = ((target.get("kind") or "").lower(), target.get("name")), ("node", entry.get("nodeName"))
    return tuple((key, value) for key, value in named if key and value)


def _host(text: str, family: str) -> str | None:
    """Return an address as it stands before a port, or None for what is none of its family."""
    if family not in _VERSIONS:
        return text
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if address.version != _VERSIONS[family]:
        return None
    return f"[{address}]" if address.version == 6 else text
