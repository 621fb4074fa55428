"""What the gateway API may ask of the running gateway."""

from __future__ import annotations

from typing import Protocol

from edge.model.config import Configuration
from edge.model.counters import Protections
from edge.model.finding import HttpFinding
from edge.model.http import HttpRequest
from edge.model.schema import Method, SchemaSet
from edge.model.snapshot import Snapshot, SourceState
from edge.model.watch import Watch


class Runtime(Protocol):
    """The running gateway, as control and admin see it."""

    snapshot: Watch[Snapshot]
    """The configuration in force."""

    changes: Watch[int]
    """Counts changes of endpoint states, discovery and descriptors."""

    protections: Protections
    """How often protections against callers have acted."""

    @property
    def active_calls(self) -> int:
        """The calls under way."""
        ...

    @property
    def total_calls(self) -> int:
        """The calls finished since the start."""
        ...

    def compile(self, configuration: Configuration) -> Snapshot:
        """Compile a configuration without putting it in force. Nothing has to be undone when it is dropped.

        Raises:
            InvalidRequest: it is wrong as a whole, for example two routes tie; the violations name the resources.
        """
        ...

    async def warm(self, snapshot: Snapshot) -> None:
        """Prepare a compiled snapshot that is published next: find its new endpoints, as far as that is quick.

        Calls go on under the snapshot in force meanwhile. What goes wrong shows in health and is not raised.
        """
        ...

    def publish(self, snapshot: Snapshot) -> None:
        """Put a compiled snapshot in force. Calls under way keep theirs."""
        ...

    def method(self, path: str) -> Method | None:
        """Return what is known of a method by its path on the wire, or None."""
        ...

    def find(self, request: HttpRequest) -> HttpFinding:
        """Return what would become of an HTTP request. Nothing is called, counted or answered."""
        ...

    def schema(self, name: str) -> tuple[SchemaSet, SourceState]:
        """Return the descriptors of a schema resource in force, by its name, and how learning them goes.

        Raises:
            LookupError: no such schema is in force.
        """
        ...

    async def openapi(self, route: str) -> bytes:
        """Return the OpenAPI document of what HTTP callers reach by REST, as JSON.

        Args:
            route: The name of the route to describe. Empty means all routes that transcode.

        Raises:
            ResourceNotFound: there is no such route.
            InvalidRequest: the route does not transcode.
        """
        ...

    async def refresh_schema(self, name: str) -> None:
        """Read the descriptors of a schema resource again now. Failures show in its state and are not raised."""
        ...
