"""Puts the gateway together: the one place, beside the command line, that knows every part.

Order of the start: settings → logging → sockets bound → configuration compiled and in force → admin → traffic → ready.
Order of the end: not serving by health → GOAWAY and `drain_timeout` for the calls under way → upstreams → admin.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from edge import __version__, memory
from edge.admin.node import NodeInfo, NodeListener
from edge.admin.register import register_admin, register_traffic
from edge.control.configurator import Configurator
from edge.control.conversion.server import convert_server
from edge.control.register import register as register_control
from edge.control.requests import Requests
from edge.control.store import MemoryStore
from edge.control.yaml_config import Loaded, load
from edge.discovery.consul_registration import ConsulRegistrar
from edge.gateway import Gateway
from edge.listeners import ListenError
from edge.model.errors import InvalidRequest, Violation
from edge.model.settings import Engine, ListenerProtocol, ServerSettings
from edge.model.snapshot import Snapshot
from edge.ports import Ports
from edge.ports_aio import AioPorts
from edge.ports_wire import WirePorts
from edge.tasks import Tasks
from edge.telemetry.logs import configure as configure_logs

_log = logging.getLogger(__name__)


def read_config(path: Path | None) -> Loaded:
    """Read a configuration file. None is the empty configuration.

    Raises:
        InvalidRequest: the file cannot be read or is wrong; the violations say where.
    """
    if path is None:
        return load("", name="(no file)", environment=os.environ)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidRequest.of([Violation("", f"cannot be read: {problem}", str(path))]) from error
    return load(text, name=str(path), environment=os.environ)


def validate(path: Path) -> None:
    """Check a configuration file as `serve` would, without serving.

    Raises:
        InvalidRequest: the file is wrong; the violations say where.
    """

    async def check() -> None:
        loaded = read_config(path)
        # not `convert_server` first: what is wrong with the settings and with the resources is told in one go
        configurator = Configurator(_Unpublished(ServerSettings()), MemoryStore())
        try:
            await configurator.set_declared(loaded.config, loaded.locate)
        finally:
            await configurator.close()

    asyncio.run(check())


class _Unpublished(Gateway):
    """A gateway that compiles and never connects anywhere."""

    async def warm(self, snapshot: Snapshot) -> None:
        """Look for no endpoints."""

    def publish(self, snapshot: Snapshot) -> None:
        """Put nothing in force."""


def serve(config_path: Path | None, *, ready_file: Path | None = None, log_level: str | None = None) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code.

    Args:
        config_path: The configuration file, or None for defaults and an empty configuration.
        ready_file: Written when calls are taken: process id and bound addresses as JSON.
        log_level: Overrides the file's log level.

    Raises:
        InvalidRequest: the configuration is wrong; nothing was started.
        ListenError: an address could not be bound; nothing was started.
    """
    if sys.platform != "win32":
        # until the handler is there a reload would end the process; what it asks for is being read anyway
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    loaded = read_config(config_path)
    settings = convert_server(loaded.config, loaded.locate)
    configure_logs(log_level or settings.log_level, settings.log_format)
    try:
        _run(_serve(loaded, settings, config_path, ready_file))
    finally:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
    return 0


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where it is installed; it costs a fifth less per call."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(coroutine)
    else:
        uvloop.run(coroutine)


async def _serve(loaded: Loaded, settings: ServerSettings, config_path: Path | None, ready_file: Path | None) -> None:
    gateway = Gateway(settings)
    configurator = Configurator(gateway, MemoryStore())
    requests: Requests | None = None
    registrar: ConsulRegistrar | None = None
    ports: Ports = WirePorts(gateway) if settings.engine is Engine.WIRE else AioPorts(gateway)
    try:
        await ports.bind()
        await configurator.set_declared(loaded.config, loaded.locate)
        health = []
        for traffic in ports.traffic:
            health.append(register_traffic(traffic.server, gateway))
            traffic.server.add_generic_rpc_handlers((gateway.handler,))
        if ports.admin is not None:
            server = ports.admin.server
            requests = register_control(server, configurator, gateway)
            info = _node(settings, ports)
            health.append(
                register_admin(server, gateway, info, gateway.tap, lambda: configurator.last_error, gateway.registry)
            )
        await ports.start_admin()
        await ports.start()
        memory.settle()
        _ready(ports, ready_file)
        registrar = _registrar(gateway, ports)
        await _wait_for_the_end(gateway, configurator, config_path)
        gateway.draining = True
        if registrar is not None:
            await registrar.close()  # nobody is to be sent here any more
        for servicer in health:
            servicer.drain()
        _log.info("draining: %d calls under way, up to %g s", gateway.active_calls, settings.drain_timeout)
        await asyncio.gather(*(server.stop(settings.drain_timeout) for server in ports.servers.values()))
    finally:
        if registrar is not None:
            await registrar.close()
        await ports.close()
        await gateway.close()
        if requests is not None:
            await requests.close()
        await configurator.close()
        await Tasks.close_detached()
    _log.info("stopped")


def _registrar(gateway: Gateway, ports: Ports) -> ConsulRegistrar | None:
    """Return what keeps the gateway registered, started, if the configuration asks for it."""
    settings = gateway.settings.registration
    if settings is None:
        return None
    listener = settings.listener or gateway.settings.listeners[0].name
    port = int(ports.servers[listener].address.rpartition(":")[2])
    registrar = ConsulRegistrar(settings, f"{socket.gethostname()}-{port}", port, gateway.ready)
    registrar.start()
    return registrar


def _node(settings: ServerSettings, ports: Ports) -> NodeInfo:
    """Return what is known of this process."""
    aio = settings.engine is Engine.GRPC_AIO
    return NodeInfo(
        node_id=secrets.token_hex(8),
        version=__version__,
        start_time=time.time(),
        engine=settings.engine.value,
        listeners=tuple(
            NodeListener(
                name=listener.name,
                address=ports.servers[listener.name].address,
                # grpc.aio takes nothing else on such a port, whatever the configuration says
                protocol=("GRPC" if aio and listener.protocol is ListenerProtocol.AUTO else listener.protocol.name),
                tls=listener.tls is not None,
            )
            for listener in settings.listeners
        ),
    )


def _ready(ports: Ports, ready_file: Path | None) -> None:
    listeners = {name: server.address for name, server in ports.servers.items()}
    admin, rest = ports.admin_address, ports.admin_http_address
    _log.info(
        "ready: traffic on %s, gateway API on %s",
        ", ".join(listeners.values()),
        "no port" if admin is None else admin if rest in (None, admin) else f"{admin} and as REST on {rest}",
    )
    if ready_file is not None:
        facts = {"pid": os.getpid(), "listeners": listeners, "admin": admin, "admin_http": rest}
        # whoever waits for the file must not see half of it
        beside = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        beside.write_text(json.dumps(facts) + "\n", encoding="utf-8")
        beside.replace(ready_file)


async def _wait_for_the_end(gateway: Gateway, configurator: Configurator, config_path: Path | None) -> None:
    """Wait for SIGTERM or SIGINT; reload on SIGHUP. A second signal to end ends the process at once."""
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    tasks = Tasks()

    def stop() -> None:
        if end.is_set():
            os._exit(130)
        end.set()

    handlers: dict[signal.Signals, Callable[[], object]] = {signal.SIGTERM: stop, signal.SIGINT: stop}
    if config_path is not None and sys.platform != "win32":
        handlers[signal.SIGHUP] = lambda: tasks.spawn(_reload(gateway, configurator, config_path), name="reload")
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        await end.wait()
    finally:
        await tasks.close()


async def _reload(gateway: Gateway, configurator: Configurator, config_path: Path) -> None:
    """Put the resources of the file in force again. A file that is wrong changes nothing."""
    try:
        loaded = read_config(config_path)
        await configurator.set_declared(loaded.config, loaded.locate)
    except InvalidRequest as error:
        configurator.note_refused(error.message)
        for violation in error.violations:
            _log.error("%s", violation)
        _log.error("%s was not reloaded: the configuration before it stays in force", config_path)
        gateway.changes.set(gateway.changes.value + 1)  # health shows the refusal
    else:
        _log.info("%s reloaded", config_path)


__all__ = ["Gateway", "ListenError", "read_config", "serve", "validate"]
