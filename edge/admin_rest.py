"""The gateway API as REST, by our own transcoder: the gRPC port is the upstream, the descriptors are the schema."""

from __future__ import annotations

import importlib
import ipaddress
import pkgutil

from google.protobuf.descriptor import FileDescriptor

import gateway.v1
from edge.gateway import Gateway
from edge.listeners import HttpServer
from edge.model.config import Configuration, Forward, Route, Schema
from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import EndpointAddress
from edge.model.http import HttpHandler
from edge.model.schema import SchemaSet
from edge.model.settings import ServerSettings
from edge.model.transcoding import Transcoding
from edge.model.upstreams import Upstream
from transcoding import SameOrigin
from transcoding.codec import JsonValue
from transcoding.offers import compile_offers
from transcoding.openapi import document

_UPSTREAM = "upstreams/gateway-api"
_SCHEMA = "schemas/gateway-api"
_ROUTE = "routes/gateway-api"

API_TITLE = "Gateway API"
"""What the OpenAPI document calls it."""


class AdminRest:
    """Serves the gateway API as REST. Make one with `bind`.

    Args:
        inner: The gateway whose only route leads to the gateway API.
        handler: Who answers requests.
        server: A socket of its own, or None.
    """

    def __init__(self, inner: Gateway, handler: HttpHandler, server: HttpServer | None) -> None:
        self.handler = handler
        """Who answers requests, on whatever port they come."""
        self._inner = inner
        self._server = server

    @classmethod
    async def make(cls, settings: ServerSettings, admin: str) -> AdminRest:
        """Make it, with a socket of its own if the settings say so.

        Args:
            settings: The settings of the process.
            admin: The address of the gateway API by gRPC.
        """
        inner = Gateway(
            ServerSettings(limits=settings.limits, trusted_proxies=settings.trusted_proxies, engine=settings.engine)
        )
        inner.documents.title = API_TITLE
        address = settings.admin_http_address
        local = _is_loopback(settings.admin_address) and (not address or _is_loopback(address))
        handler = SameOrigin(inner.transcoder, only_local_names=local)
        inner.publish(inner.compile(_configuration(admin)))
        return cls(inner, handler, HttpServer(address, settings.limits, handler) if address else None)

    @property
    def address(self) -> str:
        """The address of its own socket, or the empty text."""
        return self._server.address if self._server is not None else ""

    async def bind(self) -> None:
        """Take the address of the own socket.

        Raises:
            ListenError: the address is taken or not ours.
        """
        if self._server is not None:
            await self._server.bind()

    async def start(self) -> None:
        """Take requests on the own socket. `bind` comes first."""
        if self._server is not None:
            await self._server.start()

    async def close(self) -> None:
        """Stop at once."""
        if self._server is not None:
            await self._server.stop(0)
        await self._inner.close()


def api_document() -> dict[str, JsonValue]:
    """Return the OpenAPI document of the gateway API, as its port serves it."""
    offers = compile_offers(_route(), SchemaSet.of(api_files()))
    return document(offers.rules, title=API_TITLE, version="v1", files=api_files())


def _route() -> Route:
    return Route(name=_ROUTE, action=Forward(upstreams=((_UPSTREAM, 1),)), transcoding=Transcoding(openapi=True))


def _configuration(admin: str) -> Configuration:
    upstream = Upstream(
        name=_UPSTREAM,
        discovery=StaticDiscovery(endpoints=(EndpointAddress(admin),)),
        schema=_SCHEMA,
        reflection=False,
    )
    route = _route()
    return Configuration(
        upstreams={upstream.name: upstream},
        routes={route.name: route},
        schemas={_SCHEMA: Schema(name=_SCHEMA, files=api_files())},
    )


def api_files() -> tuple[bytes, ...]:
    """Return the files of the gateway API with all that they import, serialized, each after its imports."""
    found: dict[str, bytes] = {}

    def take(file: FileDescriptor) -> None:
        if file.name not in found:
            for imported in file.dependencies:
                take(imported)
            found[file.name] = file.serialized_pb

    for module in pkgutil.iter_modules(gateway.v1.__path__):
        if module.name.endswith("_pb2"):
            take(importlib.import_module(f"gateway.v1.{module.name}").DESCRIPTOR)
    return tuple(found.values())


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
