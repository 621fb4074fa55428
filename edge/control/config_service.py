"""The service of the whole configuration."""

# ruff: noqa: N802, ARG002 - names and signatures are those of the generated base classes

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from edge.control.configurator import Configurator
from edge.control.conversion.gather import gather
from edge.control.conversion.scope import NOWHERE, Places
from edge.control.drafts import Draft, State
from edge.control.kinds import KINDS
from edge.control.requests import Requests
from edge.control.resources import Resources, declared_in_file, timestamp
from edge.control.services import Context, author_of, not_available
from edge.model.errors import InvalidRequest, Violation
from edge.model.resource_errors import EtagMismatch, ResourceNotFound
from edge.servicing import answer
from gateway.v1 import config_pb2, config_service_pb2, config_service_pb2_grpc

_NAME = "config"
_SERVICE = "gateway.v1.ConfigService"


class ConfigService(config_service_pb2_grpc.ConfigServiceServicer):
    """Reads and changes the configuration as one."""

    def __init__(self, configurator: Configurator, requests: Requests) -> None:
        self._configurator = configurator
        self._requests = requests

    @answer
    async def GetConfig(self, request: config_service_pb2.GetConfigRequest, context: Context) -> config_pb2.Config:
        """Get every resource in force."""
        if request.name not in ("", _NAME):
            raise ResourceNotFound(
                f"there is no {request.name[:100]}; the one configuration is `{_NAME}`",
                metadata={"resource": request.name[:100]},
            )
        return _config(self._configurator.state)

    @answer
    async def ApplyConfig(
        self, request: config_service_pb2.ApplyConfigRequest, context: Context
    ) -> config_service_pb2.ApplyConfigResponse:
        """Change everything that is different, or nothing when any of it is wrong."""
        author = author_of(context)
        return await self._requests.once("ApplyConfig", request, lambda: self._apply(request, author))

    async def _apply(
        self, request: config_service_pb2.ApplyConfigRequest, author: str
    ) -> config_service_pb2.ApplyConfigResponse:
        if not request.HasField("config"):
            raise InvalidRequest.of([Violation("config", "is required")])
        if request.config.name not in ("", _NAME):
            raise InvalidRequest.of([Violation("config.name", f"has to be `{_NAME}` or empty")])
        gathered = gather(request.config, "config")
        places = Places(prefixes=gathered.prefixes)

        def change(before: Resources) -> Draft:
            etag = request.config.etag
            if etag and etag != before.etag:
                raise EtagMismatch(
                    "the configuration is not what it was under this etag any more; get it again and repeat the change",
                    metadata={"resource": _NAME, "etag": etag[:100]},
                )
            wanted = before.put(*gathered.resources)
            if not request.merge:
                wanted = wanted.remove(
                    *(
                        message.name
                        for message in before
                        if message.name not in gathered.resources and not declared_in_file(message)
                    )
                )
            violations = NOWHERE.violations("", gathered.problems)
            return Draft(resources=wanted, places=places, violations=tuple(violations))

        state = await self._configurator.commit(
            change, validate_only=request.validate_only, author=author, summary="ApplyConfig"
        )
        return config_service_pb2.ApplyConfigResponse(
            config=_config(state), changes=[change.to_proto() for change in state.changes]
        )

    @answer
    async def ListRevisions(
        self, request: config_service_pb2.ListRevisionsRequest, context: Context
    ) -> config_service_pb2.ListRevisionsResponse:
        """Refuse: revisions cannot be read yet."""
        raise not_available(f"{_SERVICE}/ListRevisions")

    @answer
    async def GetRevision(
        self, request: config_service_pb2.GetRevisionRequest, context: Context
    ) -> config_pb2.Revision:
        """Refuse: revisions cannot be read yet."""
        raise not_available(f"{_SERVICE}/GetRevision")

    @answer
    async def RollbackConfig(
        self, request: config_service_pb2.RollbackConfigRequest, context: Context
    ) -> config_service_pb2.ApplyConfigResponse:
        """Refuse: revisions cannot be put in force again yet."""
        raise not_available(f"{_SERVICE}/RollbackConfig")

    @answer
    async def WatchConfig(
        self, requests: AsyncIterator[config_service_pb2.WatchConfigRequest], context: Context
    ) -> None:
        """Refuse: revisions cannot be followed yet."""
        raise not_available(f"{_SERVICE}/WatchConfig")


def _config(state: State) -> config_pb2.Config:
    listed: dict[str, Any] = {
        kind.collection: [state.resources.of(kind)[name] for name in state.resources.names(kind)]
        for kind in KINDS.values()
    }
    config = config_pb2.Config(name=_NAME, revision=state.revision, etag=state.resources.etag, **listed)
    if state.revision:
        config.update_time.CopyFrom(timestamp(state.time))
    return config
