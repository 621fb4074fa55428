"""The gateway as a service of Consul: registered while it is there, passing while it is ready.

Source: the HTTP API of Consul, "Agent": `service/register`, `check/update`, `service/deregister`, and "TTL checks".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from random import random
from typing import Final
from urllib.parse import quote

from edge.discovery.backoff import backoff
from edge.discovery.consul import ConsulError, token_header
from edge.discovery.http_json import Answer, HttpJson, UnreachableError
from edge.model.settings import ConsulRegistration
from edge.tasks import Tasks

_log = logging.getLogger(__name__)

RENEWALS: Final = 3
"""How often the check is renewed within its TTL."""

GOODBYE: Final = 2.0
"""The seconds deregistering may take when the gateway stops."""


class ConsulRegistrar:
    """Keeps the gateway registered.

    Args:
        settings: As what, and where.
        instance: The id of this gateway, unlike that of every other instance.
        port: The port others reach it at.
        ready: Returns whether the gateway takes calls, and why not.
    """

    def __init__(
        self, settings: ConsulRegistration, instance: str, port: int, ready: Callable[[], tuple[bool, str]]
    ) -> None:
        self.id = f"{settings.service}-{instance}"
        """The id of the instance."""
        self._settings = settings
        self._port = port
        self._ready = ready
        self._client = HttpJson(settings.address)
        self._tasks = Tasks()
        self._registered = False

    def start(self) -> None:
        """Begin."""
        self._tasks.spawn(self._run(), name="registration with Consul")

    async def close(self) -> None:
        """Deregister. An agent that does not answer forgets the instance by itself later."""
        await self._tasks.close()
        if self._registered:
            with contextlib.suppress(UnreachableError, ConsulError):
                await self._put(f"service/deregister/{quote(self.id, safe='')}", None, deadline=GOODBYE)
                _log.info("deregistered from Consul")
        await self._client.close()

    async def _run(self) -> None:
        failures = 0
        told = ""
        while True:
            try:
                if not self._registered:
                    await self._register()
                await self._renew()
            except (UnreachableError, ConsulError) as error:
                failures += 1
                if str(error) != told:
                    told = str(error)
                    _log.warning("the gateway is not registered with Consul: %s", told)
                await asyncio.sleep(backoff(failures, random(), most=self._settings.ttl))
                continue
            failures = 0
            told = ""
            await asyncio.sleep(self._settings.ttl / RENEWALS)

    async def _register(self) -> None:
        settings = self._settings
        service: dict[str, object] = {
            "ID": self.id,
            "Name": settings.service,
            "Tags": list(settings.tags),
            "Meta": dict(settings.meta),
            "Port": self._port,
            "Check": {
                "Name": "edge is ready",
                "TTL": f"{settings.ttl:g}s",
                "DeregisterCriticalServiceAfter": f"{settings.deregister_after:g}s",
            },
        }
        if settings.advertise_host:
            service["Address"] = settings.advertise_host
        _refused(await self._put("service/register", service), f"`write` for the service {settings.service}")
        self._registered = True
        _log.info("registered with Consul as %s (instance %s)", settings.service, self.id)

    async def _renew(self) -> None:
        ready, why = self._ready()
        status = {"Status": "passing" if ready else "critical", "Output": "ready" if ready else why}
        answer = await self._put(f"check/update/{quote(f'service:{self.id}', safe='')}", status)
        if answer.status in (404, 500):
            # the agent was restarted, or has forgotten the instance: older agents say so with 500
            self._registered = False
            raise ConsulError("the agent does not know the instance any more; registering again")
        _refused(answer, f"`write` for the service {self._settings.service}")

    async def _put(self, path: str, body: object, *, deadline: float = 10.0) -> Answer:
        return await self._client.request(
            f"/v1/agent/{path}",
            method="PUT",
            headers=token_header(self._settings.token_file),
            body=body,
            deadline=deadline,
        )


def _refused(answer: Answer, needed: str) -> None:
    if answer.status in (401, 403):
        raise ConsulError(f"Consul does not allow it: the ACL token needs {needed} (`token_file`)")
    if answer.status >= 300:
        raise ConsulError(f"Consul answered with HTTP {answer.status}")
