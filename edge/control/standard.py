"""Get, List, Create, Update and Delete for any kind of resource (AIP-131 to 135, 154, 155, 158, 161, 163)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from google.protobuf import empty_pb2

from edge.control.configurator import Configurator
from edge.control.conversion.gather import name_problem
from edge.control.conversion.scope import NOWHERE, Places, Scope
from edge.control.drafts import Draft, declared
from edge.control.kinds import ID_PATTERN, ID_RULE, Kind
from edge.control.masks import merge
from edge.control.pages import page
from edge.control.requests import Requests
from edge.control.resources import Resources, declared_in_file
from edge.model.errors import InvalidRequest
from edge.model.hints import nearest
from edge.model.resource_errors import EtagMismatch, ResourceExists, ResourceInUse, ResourceNotFound

ResourceT = TypeVar("ResourceT")
ResponseT = TypeVar("ResponseT")

_USERS_SHOWN = 20
"""The most users of a resource that a refusal names, since it has to fit into metadata."""


class Standard(Generic[ResourceT]):
    """The five standard methods of one kind.

    Args:
        kind: The kind.
        configurator: Changes the configuration.
        requests: Remembers answers by request id.
        present: Makes of a resource what callers see, for fields that are not stored.
    """

    def __init__(
        self,
        kind: Kind,
        configurator: Configurator,
        requests: Requests,
        present: Callable[[ResourceT], ResourceT] = lambda resource: resource,
    ) -> None:
        self.kind = kind
        self._configurator = configurator
        self._requests = requests
        self._present = present

    def find(self, name: str) -> ResourceT:
        """Return a resource in force by its name.

        Raises:
            InvalidRequest: this is no name of the kind.
            ResourceNotFound: there is no such resource.
        """
        self._check_name(name, "name")
        found: ResourceT = self._existing(self._configurator.resources, name)
        return found

    async def get(self, request: Any) -> ResourceT:
        """Answer a Get request."""
        return self._present(self.find(request.name))

    async def list(self, request: Any, response: Callable[..., ResponseT]) -> ResponseT:
        """Answer a List request with a `response` message."""
        resources = self._configurator.resources
        scope = Scope()
        names, token = page(
            resources.names(self.kind),
            size=request.page_size,
            token=request.page_token,
            context=self.kind.collection,
            scope=scope,
        )
        _raise(scope)
        found = resources.of(self.kind)
        listed = [self._present(found[name]) for name in names]
        return response(**{self.kind.collection: listed}, next_page_token=token)

    async def create(self, request: Any, *, author: str) -> ResourceT:
        """Answer a Create request."""
        method = f"Create{self.kind.message.DESCRIPTOR.name}"
        return await self._requests.once(method, request, lambda: self._create(request, method, author))

    async def _create(self, request: Any, method: str, author: str) -> ResourceT:
        kind = self.kind
        scope = Scope()
        identifier = getattr(request, kind.id_field)
        if not identifier:
            scope.field(kind.id_field).refuse("is required")
        elif not ID_PATTERN.fullmatch(identifier):
            scope.field(kind.id_field).refuse(f"has to be {ID_RULE}")
        if not request.HasField(kind.singular):
            scope.field(kind.singular).refuse("is required")
        _raise(scope)
        wanted = _named(getattr(request, kind.singular), kind.name(identifier))

        def change(before: Resources) -> Draft:
            if wanted.name in before:
                raise ResourceExists(
                    f"{wanted.name} exists already; update it or choose another {kind.id_field}",
                    metadata={"resource": wanted.name},
                )
            return self._draft(before, wanted)

        return await self._commit(change, wanted.name, request.validate_only, method, author)

    async def update(self, request: Any, *, author: str) -> ResourceT:
        """Answer an Update request."""
        method = f"Update{self.kind.message.DESCRIPTOR.name}"
        return await self._requests.once(method, request, lambda: self._update(request, method, author))

    async def _update(self, request: Any, method: str, author: str) -> ResourceT:
        kind = self.kind
        if not request.HasField(kind.singular):
            scope = Scope()
            scope.field(kind.singular).refuse("is required")
            _raise(scope)
        sent = getattr(request, kind.singular)
        self._check_name(sent.name, f"{kind.singular}.name")

        def change(before: Resources) -> Draft:
            current = before.get(sent.name)
            if current is None and request.allow_missing:
                if sent.etag:
                    raise self._stale(sent.name, sent.etag)
                return self._draft(before, _named(sent, sent.name))
            current = self._existing(before, sent.name)
            if declared_in_file(current):
                raise declared(current)
            self._check_etag(current, sent.etag)
            scope = Scope("update_mask")
            fixed = (*kind.output_only, "name", "etag")
            merged = merge(current, sent, request.update_mask.paths, fixed=fixed, scope=scope)
            _raise(scope)
            return self._draft(before, merged)

        return await self._commit(change, sent.name, request.validate_only, method, author)

    async def delete(self, request: Any, *, author: str) -> empty_pb2.Empty:
        """Answer a Delete request."""
        self._check_name(request.name, "name")
        method = f"Delete{self.kind.message.DESCRIPTOR.name}"

        def change(before: Resources) -> Draft:
            if request.name not in before and request.allow_missing:
                return Draft(resources=before)
            current = self._existing(before, request.name)
            if declared_in_file(current):
                raise declared(current)
            self._check_etag(current, request.etag)
            users = [name for name in self._configurator.users(request.name, before) if name != request.name]
            if users:
                raise _in_use(request.name, users)
            return Draft(resources=before.remove(request.name))

        await self._configurator.commit(
            change, validate_only=request.validate_only, author=author, summary=f"{method} {request.name}"
        )
        return empty_pb2.Empty()

    async def _commit(
        self, change: Callable[[Resources], Draft], name: str, validate_only: bool, method: str, author: str
    ) -> ResourceT:
        state = await self._configurator.commit(
            change, validate_only=validate_only, author=author, summary=f"{method} {name}"
        )
        return self._present(state.resources.get(name))

    def _draft(self, before: Resources, wanted: Any) -> Draft:
        return Draft(resources=before.put(wanted), places=Places(prefixes={wanted.name: self.kind.singular}))

    def _check_name(self, name: str, field: str) -> None:
        if problem := name_problem(name, self.kind):
            scope = Scope(field)
            scope.refuse(problem)
            _raise(scope)

    def _existing(self, resources: Resources, name: str) -> Any:
        found = resources.get(name)
        if found is None:
            near = nearest(name.partition("/")[2], (known.partition("/")[2] for known in resources.of(self.kind)))
            hint = f"; did you mean `{self.kind.name(near)}`?" if near else ""
            metadata = {"resource": name} | ({"suggestion": self.kind.name(near)} if near else {})
            raise ResourceNotFound(f"there is no {name}{hint}", metadata=metadata)
        return found

    def _check_etag(self, current: Any, etag: str) -> None:
        if etag and etag != current.etag:
            raise self._stale(current.name, etag)

    def _stale(self, name: str, etag: str) -> EtagMismatch:
        return EtagMismatch(
            f"{name} is not what it was under this etag any more; get it again and repeat the change",
            metadata={"resource": name, "etag": etag[:100]},
        )


def _named(sent: Any, name: str) -> Any:
    wanted = type(sent)()
    wanted.CopyFrom(sent)
    wanted.name = name
    return wanted


def _in_use(name: str, users: list[str]) -> ResourceInUse:
    shown = ", ".join(users[:_USERS_SHOWN])
    metadata = {"resource": name, "usedBy": shown}
    if len(users) > _USERS_SHOWN:
        metadata["usedByCount"] = str(len(users))
        shown += f" and {len(users) - _USERS_SHOWN} more"
    return ResourceInUse(f"{name} is used by {shown}; change these first", metadata=metadata)


def _raise(scope: Scope) -> None:
    if scope.problems:
        raise InvalidRequest.of(NOWHERE.violations("", scope.problems))
