"""Following a service of Consul, against a stand-in that answers as the agent does.

tests/integration/test_consul.py does the same with the real agent where it is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from edge.discovery.base import Found
from edge.discovery.consul import ConsulSource
from edge.discovery.consul_registration import ConsulRegistrar
from edge.model.discovery import ConsulDiscovery
from edge.model.settings import ConsulRegistration
from tests.support.consul_agent import ConsulAgent


@pytest.fixture
async def agent() -> AsyncIterator[ConsulAgent]:
    made = ConsulAgent()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def follow(agent: ConsulAgent) -> AsyncIterator[Callable[..., ConsulSource]]:
    made: list[ConsulSource] = []

    def source(*, held: float = 30.0, **settings: object) -> ConsulSource:
        discovery = ConsulDiscovery(service="shop", address=agent.url, **settings)  # type: ignore[arg-type]
        one = ConsulSource(discovery, held=held, draw=lambda: 1.0)
        made.append(one)
        one.start()
        return one

    yield source
    for one in made:
        await one.close()


async def until(source: ConsulSource, condition: Callable[[Found], bool]) -> Found:
    """Wait until what was found meets the condition."""
    async with asyncio.timeout(15):
        async for found in source.found.follow():
            if condition(found):
                return found
    raise AssertionError("a watch does not end")


def addresses(found: Found) -> list[str]:
    return [one.address for one in found.addresses]


async def test_it_finds_what_is_healthy_and_follows_what_changes(
    agent: ConsulAgent, follow: Callable[..., ConsulSource]
) -> None:
    agent.put("a", 1)
    agent.put("b", 2, status="critical")
    source = follow()
    found = await until(source, lambda found: bool(found.addresses))
    assert addresses(found) == ["127.0.0.1:1"]
    assert found.state.ok
    agent.put("b", 2)
    assert addresses(await until(source, lambda found: len(found.addresses) == 2)) == ["127.0.0.1:1", "127.0.0.1:2"]
    agent.put("a", 1, status="critical")
    assert addresses(await until(source, lambda found: len(found.addresses) == 1)) == ["127.0.0.1:2"]
    assert "index" not in agent.queries[0]
    assert all("index" in query for query in agent.queries[1:]), "queries are held, not repeated"


async def test_an_empty_set_says_why(agent: ConsulAgent, follow: Callable[..., ConsulSource]) -> None:
    agent.put("a", 1, status="critical", Tags=["v1"])
    found = await until(follow(tags=("v1",)), lambda found: found.state.success_time is not None)
    assert found.addresses == ()
    assert found.state.error == "Consul knows no healthy instance of shop with the tags v1; 1 fail their checks"


async def test_an_outage_keeps_the_last_endpoints_and_shows(
    agent: ConsulAgent, follow: Callable[..., ConsulSource]
) -> None:
    agent.put("a", 1)
    source = follow()
    await until(source, lambda found: found.state.ok)
    port = int(agent.url.rpartition(":")[2])
    await agent.stop()
    found = await until(source, lambda found: not found.state.ok)
    assert addresses(found) == ["127.0.0.1:1"]
    assert found.state.success_time is not None
    assert str(port) in found.state.error
    agent.put("b", 2)
    await agent.start(port)
    found = await until(source, lambda found: found.state.ok)
    assert addresses(found) == ["127.0.0.1:1", "127.0.0.1:2"]
    assert found.state.failures == 0


async def test_no_leader_says_so(agent: ConsulAgent, follow: Callable[..., ConsulSource]) -> None:
    agent.put("a", 1)
    source = follow()
    await until(source, lambda found: found.state.ok)
    agent.leader = False
    agent.move()
    found = await until(source, lambda found: not found.state.ok)
    assert "no leader" in found.state.error
    assert addresses(found) == ["127.0.0.1:1"]
    agent.leader = True
    await until(source, lambda found: found.state.ok)


async def test_a_wrong_token_says_what_is_needed_and_a_rotated_one_is_taken(
    agent: ConsulAgent, follow: Callable[..., ConsulSource], tmp_path: Path
) -> None:
    agent.put("a", 1)
    agent.token = "right"
    file = tmp_path / "token"
    file.write_text("wrong-secret\n")
    source = follow(token_file=str(file))
    found = await until(source, lambda found: found.state.failures > 0)
    assert "needs `read` for the service shop" in found.state.error
    assert "secret" not in found.state.error
    file.write_text("right\n")
    await until(source, lambda found: found.state.ok)


async def test_a_token_file_that_is_not_there_is_named(follow: Callable[..., ConsulSource], tmp_path: Path) -> None:
    found = await until(follow(token_file=str(tmp_path / "none")), lambda found: found.state.failures > 0)
    assert f"{tmp_path / 'none'} cannot be read: No such file" in found.state.error


async def test_an_index_that_goes_backwards_begins_anew(
    agent: ConsulAgent, follow: Callable[..., ConsulSource]
) -> None:
    agent.put("a", 1)
    agent.move(1000)
    source = follow()
    await until(source, lambda found: found.state.ok)
    await eventually(lambda: agent.queries[-1].get("index") == "1000")  # held
    agent.services["b"] = {"ID": "b", "Name": "shop", "Port": 2, "Status": "passing"}
    agent.move(5)  # the servers were restored from an older copy
    assert len((await until(source, lambda found: len(found.addresses) == 2)).addresses) == 2
    agent.put("c", 3)
    await until(source, lambda found: len(found.addresses) == 3)


async def test_something_else_than_consul_is_named(agent: ConsulAgent, follow: Callable[..., ConsulSource]) -> None:
    agent.broken = b"<html>"
    found = await until(follow(), lambda found: found.state.failures > 0)
    assert "answered with something else than JSON" in found.state.error
    agent.broken = b'{"a": 1}'
    found = await until(follow(), lambda found: found.state.failures > 0)
    assert "does not answer as Consul does" in found.state.error


async def test_nothing_new_when_the_time_is_over_tells_nobody(
    agent: ConsulAgent, follow: Callable[..., ConsulSource]
) -> None:
    agent.put("a", 1)
    source = follow(held=0.05)
    await until(source, lambda found: found.state.ok)
    before = source.found.value
    async with asyncio.timeout(15):
        while len(agent.queries) < 4:
            await asyncio.sleep(0.01)
    assert source.found.value is before


# === the gateway itself ===


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.01)


async def test_the_gateway_is_registered_passing_while_it_is_ready_and_gone_when_it_ends(agent: ConsulAgent) -> None:
    ready = True
    settings = ConsulRegistration(
        service="edge", address=agent.url, tags=("gw",), meta=(("a", "b"),), advertise_host="gw.example", ttl=0.3
    )
    registrar = ConsulRegistrar(settings, "host-8080", 8080, lambda: (ready, "" if ready else "draining"))
    registrar.start()
    try:
        await eventually(lambda: agent.services.get("edge-host-8080", {}).get("Status") == "passing")
        known = agent.services["edge-host-8080"]
        assert (known["Name"], known["Port"], known["Address"]) == ("edge", 8080, "gw.example")
        assert (known["Tags"], known["Meta"]) == (["gw"], {"a": "b"})
        assert known["Check"]["DeregisterCriticalServiceAfter"] == "600s"
        ready = False
        await eventually(lambda: known["Status"] == "critical")
        assert known["Output"] == "draining"
        ready = True
        del agent.services["edge-host-8080"]  # the agent was restarted
        await eventually(lambda: agent.services.get("edge-host-8080", {}).get("Status") == "passing")
    finally:
        await registrar.close()
    assert agent.services == {}


async def test_an_agent_that_is_not_there_keeps_nobody_from_ending(agent: ConsulAgent) -> None:
    await agent.stop()
    registrar = ConsulRegistrar(ConsulRegistration(service="edge", address=agent.url), "h", 1, lambda: (True, ""))
    registrar.start()
    async with asyncio.timeout(5):
        await registrar.close()
