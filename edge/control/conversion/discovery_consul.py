"""Consul as a source of endpoints and as a registry of the gateway: proto → model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from edge.control.conversion import checks
from edge.control.conversion.scope import Scope
from edge.model.discovery import ConsulDiscovery
from edge.model.settings import ConsulRegistration, ListenerSettings
from gateway.v1 import server_pb2, upstream_pb2

_DEFAULT = "http://127.0.0.1:8500"
_MOST_TAGS = 64
_META_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")


def convert_consul(consul: upstream_pb2.ConsulDiscovery, scope: Scope) -> ConsulDiscovery:
    """Return the discovery. `scope` is its own."""
    return ConsulDiscovery(
        service=_service(consul.service, scope),
        address=_url(consul.address, scope.field("address")),
        tags=_tags(consul.tags, scope.field("tags")),
        datacenter=consul.datacenter,
        token_file=consul.token_file,
    )


def convert_registration(
    server: server_pb2.ServerConfig, listeners: Sequence[ListenerSettings], scope: Scope
) -> ConsulRegistration | None:
    """Return where the gateway registers itself, or None for nowhere. `scope` is that of the server."""
    if not server.HasField("registration"):
        return None
    scope = scope.field("registration")
    if server.registration.WhichOneof("registry") is None:
        scope.refuse("names no registry; add `consul: {service: …}`")
        return None
    consul = server.registration.consul
    scope = scope.field("consul")
    chosen = [one for one in listeners if not consul.listener or one.name == consul.listener]
    if not chosen:
        names = ", ".join(one.name for one in listeners)
        scope.field("listener").refuse(f"there is no listener `{consul.listener}`; there are {names}")
    elif chosen[0].address.startswith("unix:"):
        scope.field("listener").refuse("is a unix socket, which others cannot reach: name a listener that has a port")
    if consul.advertise_host:
        checks.host(consul.advertise_host, scope.field("advertise_host"))
    meta = scope.field("meta")
    for key in consul.meta:
        if not _META_KEY.fullmatch(key):
            meta.refuse(f"`{key}` is no key: Consul takes letters, digits, `-` and `_`")
    default = ConsulRegistration(service="")
    return ConsulRegistration(
        service=_service(consul.service, scope),
        address=_url(consul.address, scope.field("address")),
        tags=_tags(consul.tags, scope.field("tags")),
        meta=tuple(sorted(consul.meta.items())),
        advertise_host=consul.advertise_host,
        listener=consul.listener,
        ttl=checks.seconds(consul.ttl, scope.field("ttl"), least=1.0, most=3600.0)
        if consul.HasField("ttl")
        else default.ttl,
        deregister_after=checks.seconds(
            consul.deregister_after, scope.field("deregister_after"), least=60.0, most=864000.0
        )
        if consul.HasField("deregister_after")
        else default.deregister_after,
        token_file=consul.token_file,
    )


def _service(name: str, scope: Scope) -> str:
    if not name or any(letter.isspace() for letter in name):
        scope.field("service").refuse("the name of the service is missing" if not name else "may have no spaces")
    return name


def _url(address: str, scope: Scope) -> str:
    if not address:
        return _DEFAULT
    parts = urlsplit(address)
    try:
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if "@" in parts.netloc:
        scope.refuse("may hold no credentials: put the ACL token into a file and name that in `token_file`")
    elif not good or parts.query or parts.fragment:
        scope.refuse(f"`{address}` is no URL of an agent, as in `{_DEFAULT}`")
    return address.rstrip("/")


def _tags(tags: Iterable[str], scope: Scope) -> tuple[str, ...]:
    found = tuple(tags)
    if len(found) > _MOST_TAGS:
        scope.refuse(f"may be at most {_MOST_TAGS}")
    if not all(found):
        scope.refuse("a tag is empty")
    return found
