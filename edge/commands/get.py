"""`edge get`: resources and what the gateway knows of itself, as tables, JSON or YAML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from edge.commands import show
from edge.commands.client import TIMEOUT, connect, stub
from edge.commands.kinds import ENDPOINTS, KINDS, Kind, find, split
from edge.commands.show import Format
from edge.commands.terminal import ExitCode, Failure, clean, facts, heading, note, state, table
from gateway.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    config_service_pb2,
    config_service_pb2_grpc,
    health_service_pb2,
    health_service_pb2_grpc,
)

_OTHERS = ("health", "config", "server")


def run(address: str, kind: str, name: str | None, form: Format) -> None:
    """Print one resource, all of a kind, or health, configuration or server information."""
    word, name = split(kind, name)
    found = find(word, others=_OTHERS)
    with connect(address) as channel:
        if found == "health":
            _health(channel, name, form)
        elif found == "config":
            _config(channel, name, form)
        elif found == "server":
            _server(channel, name, form)
        elif found is ENDPOINTS:
            _endpoints(channel, name, form)
        elif isinstance(found, Kind):
            _resources(channel, found, name, form)


def _resources(channel: Any, kind: Kind, name: str | None, form: Format) -> None:
    if name is not None:
        _one(kind, kind.get(channel, kind.full_name(name)), form)
    else:
        _many(kind, kind.list(channel), form)


def _one(kind: Kind, resource: Any, form: Format) -> None:
    if form is Format.TABLE:
        table(kind.headers, [kind.row(resource)])
    else:
        show.structured(resource, form)


def _many(kind: Kind, resources: Iterator[Any], form: Format) -> None:
    found = list(resources)
    if form is not Format.TABLE:
        show.structured({kind.plural: found}, form)
    elif found:
        table(kind.headers, [kind.row(resource) for resource in found])
    else:
        note(f"no {kind.plural}")


def _endpoints(channel: Any, name: str | None, form: Format) -> None:
    if name is not None and "/endpoints/" in name:
        _one(ENDPOINTS, ENDPOINTS.get(channel, name), form)
        return
    if name is not None:
        plain = name.removesuffix("/endpoints").removeprefix("upstreams/").removeprefix("endpoints/")
        parents = [f"upstreams/{plain}"]
    else:
        upstreams = next(kind for kind in KINDS if kind.plural == "upstreams")
        parents = [upstream.name for upstream in upstreams.list(channel)]
    _many(ENDPOINTS, (endpoint for parent in parents for endpoint in ENDPOINTS.list(channel, parent)), form)


def health_of(channel: Any, upstream: str = "") -> Any:
    """Return the health of the gateway, with all upstreams or only one."""
    service = stub(health_service_pb2_grpc.HealthServiceStub, channel)
    return service.GetHealth(health_service_pb2.GetHealthRequest(upstream=upstream), timeout=TIMEOUT).health


def _health(channel: Any, name: str | None, form: Format) -> None:
    wanted = f"upstreams/{name.removeprefix('health/').removeprefix('upstreams/')}" if name else ""
    health = health_of(channel, wanted)
    if form is not Format.TABLE:
        show.structured(health, form)
        return
    facts(
        [
            ("Gateway", state(show.enum_word(health, "state"))),
            ("Reason", health.reason),
            ("Revision", str(health.config_revision)),
            ("Refused", Text(clean(health.config_error), style="red")),
        ]
    )
    if health.upstreams:
        heading("Upstreams")
        headers = ("NAME", "STATE", "ENDPOINTS", "BREAKER", "DISCOVERY", "SCHEMA", "REASON")
        table(headers, [_upstream_row(upstream) for upstream in health.upstreams])


def _upstream_row(upstream: Any) -> tuple[str | Text, ...]:
    good = sum(show.enum_word(endpoint, "state") == "ACTIVE" for endpoint in upstream.endpoints)
    return (
        show.short(upstream.upstream),
        state(show.enum_word(upstream, "state")),
        f"{good} of {len(upstream.endpoints)}",
        state(show.enum_word(upstream, "breaker").replace("_", " ")),
        source(upstream.discovery),
        source(upstream.schema),
        upstream.reason,
    )


def source(health: Any) -> str | Text:
    """Return how learning something goes: what is to be said about it, or its state."""
    word = show.enum_word(health, "state")
    if health.error:
        return Text(clean(health.error), style="" if word == "HEALTHY" else "red")
    return state(word)


def config_of(channel: Any) -> Any:
    """Return the configuration in force."""
    service = stub(config_service_pb2_grpc.ConfigServiceStub, channel)
    return service.GetConfig(config_service_pb2.GetConfigRequest(name="config"), timeout=TIMEOUT)


def _config(channel: Any, name: str | None, form: Format) -> None:
    _no_name("config", name)
    config = config_of(channel)
    if form is not Format.TABLE:
        show.structured(config, form)
        return
    facts([("Revision", str(config.revision)), ("In force", _time(config, "update_time")), ("Etag", config.etag)])
    for kind in KINDS:
        if found := getattr(config, kind.plural, ()):
            heading(kind.plural.capitalize())
            table(kind.headers, [kind.row(resource) for resource in found])


def _server(channel: Any, name: str | None, form: Format) -> None:
    _no_name("server", name)
    service = stub(admin_service_pb2_grpc.AdminServiceStub, channel)
    info = service.GetServerInfo(admin_service_pb2.GetServerInfoRequest(), timeout=TIMEOUT)
    if form is not Format.TABLE:
        show.structured(info, form)
        return
    memory = f"{info.resident_bytes / 2**20:.1f} MiB" if info.resident_bytes else ""
    facts(
        [
            ("Node", info.node_id),
            ("State", state(show.enum_word(info, "state"))),
            ("Version", info.version),
            ("Components", ", ".join(f"{name} {info.components[name]}" for name in sorted(info.components))),
            ("Started", _time(info, "start_time")),
            ("Revision", str(info.config_revision)),
            ("In force", _time(info, "config_time")),
            ("Refused", Text(clean(info.config_error.message), style="red")),
            ("Calls", f"{info.active_calls} under way, {info.total_calls} finished"),
            ("Memory", memory),
        ]
    )
    if info.listeners:
        heading("Listeners")
        rows = [(item.name, item.address, item.protocol, "yes" if item.tls else "") for item in info.listeners]
        table(("NAME", "ADDRESS", "PROTOCOL", "TLS"), rows)
    if info.workers:
        heading("Workers")
        headers = ("PID", "REVISION", "CALLS", "MEMORY", "REFUSED")
        table(headers, [_worker_row(worker) for worker in info.workers])


def _worker_row(worker: Any) -> tuple[str | Text, ...]:
    memory = f"{worker.resident_bytes / 2**20:.1f} MiB"
    refused = Text(clean(worker.config_error.message), style="red")
    return (str(worker.pid), str(worker.config_revision), str(worker.active_calls), memory, refused)


def _no_name(kind: str, name: str | None) -> None:
    if name is not None:
        raise Failure(ExitCode.USAGE, f"there is only one {kind}; leave `{name[:60]}` out")


def _time(message: Any, field: str) -> str:
    return str(getattr(message, field).ToJsonString()) if message.HasField(field) else ""
