"""What a server says of its services by `grpc.health.v1`, and what follows for its endpoint. Pure.

    the server ("")    NOT_SERVING, UNKNOWN    the endpoint gets no calls
                       SERVING                 it gets calls
                       SERVICE_UNKNOWN         nothing: many servers set their services only
    a service          NOT_SERVING, UNKNOWN    the endpoint gets no calls of its methods
                       SERVICE_UNKNOWN         the same if the configuration names the service; else nothing, for
                                               another version may offer it

An endpoint of which the server says nothing, and every service that was asked about does not serve, gets no calls.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

MOST_SERVICES = 64
"""The most services that are asked about at each endpoint."""

_INFRASTRUCTURE = ("grpc.health.", "grpc.reflection.", "grpc.channelz.")
"""What the services begin with that are not asked about: they answer, or they are not there."""


class Serving(enum.IntEnum):
    """`grpc.health.v1.HealthCheckResponse.ServingStatus`."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


def services_to_ask(named: tuple[str, ...], known: Iterable[str]) -> tuple[str, ...]:
    """Return the services to ask about; the first one is asked about in every check.

    Args:
        named: Those the configuration names. Empty means the server and all known ones.
        known: The services of the schema.
    """
    if named:
        return named
    return ("", *sorted(name for name in known if not name.startswith(_INFRASTRUCTURE)))[:MOST_SERVICES]


class ServingTable:
    """The latest answers of one endpoint.

    Args:
        named: Whether the configuration names the services, so that one that the server does not know is missed.
    """

    __slots__ = ("_named", "_said", "not_serving")

    def __init__(self, *, named: bool) -> None:
        self._named = named
        self._said: dict[str, Serving] = {}
        self.not_serving: frozenset[str] = frozenset()
        """The services that do not serve."""

    def take(self, service: str, status: Serving) -> None:
        """Remember an answer."""
        self._said[service] = status
        if service:
            missing = status is Serving.SERVICE_UNKNOWN and not self._named
            if status is Serving.SERVING or missing:
                self.not_serving -= {service}
            else:
                self.not_serving |= {service}

    def keep(self, services: Iterable[str]) -> None:
        """Forget what was said of other services."""
        wanted = frozenset(services)
        self._said = {service: status for service, status in self._said.items() if service in wanted}
        self.not_serving &= wanted

    def clear(self) -> None:
        """Forget everything."""
        self.keep(())

    @property
    def trouble(self) -> str:
        """Why the endpoint as a whole does not serve, in words that follow its address. Empty when it does."""
        server = self._said.get("", Serving.SERVICE_UNKNOWN)
        if server in (Serving.NOT_SERVING, Serving.UNKNOWN):
            return f"says {server.name}"
        services = [service for service in self._said if service]
        if server is Serving.SERVICE_UNKNOWN and services and len(self.not_serving) == len(services):
            first = services[0]
            rest = f" and {len(services) - 1} more" if len(services) > 1 else ""
            return f"says {self._said[first].name} of {first}{rest}"
        return ""
