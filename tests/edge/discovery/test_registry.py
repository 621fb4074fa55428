from __future__ import annotations

import asyncio

import pytest

from edge.discovery import EndpointRegistry
from edge.discovery.base import Found
from edge.discovery.registry import RegistrySource
from edge.model.endpoint import EndpointAddress
from edge.model.resource_errors import ResourceNotFound
from edge.model.watch import Watch

NAME = "upstreams/shop"


def address(number: int) -> EndpointAddress:
    return EndpointAddress(f"10.0.{number // 250}.{number % 250 + 1}:80", id=f"e{number}")


def shown(found: Watch[Found]) -> list[str]:
    return [one.id for one in found.value.addresses]


async def until(found: Watch[Found], ids: list[str]) -> None:
    async with asyncio.timeout(10):
        async for _ in found.follow():
            if shown(found) == ids:
                return


async def test_what_is_registered_is_told_and_taken_back_when_its_lease_ends() -> None:
    registry = EndpointRegistry()
    registry.keep({NAME: 60.0})
    source = RegistrySource(NAME, registry)
    source.start()
    assert source.found.value.state.ok
    registry.create(NAME, address(1), 1.0)
    registry.create(NAME, address(2), 60.0)
    await registry.told(NAME)
    assert shown(source.found) == ["e1", "e2"]
    await until(source.found, ["e2"])
    with pytest.raises(ResourceNotFound):
        registry.renew(NAME, "e1")
    registry.delete(NAME, "e2")
    await registry.told(NAME)
    assert shown(source.found) == []
    await source.close()
    registry.close()


async def test_a_longer_lease_before_does_not_keep_a_shorter_one() -> None:
    registry = EndpointRegistry()
    registry.create(NAME, address(1), 300.0)
    registry.create("upstreams/other", address(2), 1.0)
    await until(registry.found("upstreams/other"), [])
    assert shown(registry.found(NAME)) == ["e1"]
    registry.close()
    assert registry._timer is None


async def test_thousands_at_once_are_told_together() -> None:
    registry = EndpointRegistry()
    registry.keep({NAME: 60.0})
    found = registry.found(NAME)
    told: list[int] = []
    found.listen(lambda value: told.append(len(value.addresses)))
    for number in range(2000):
        registry.create(NAME, address(number), 60.0)
    await registry.told(NAME)
    assert told[-1] == 2000
    assert len(told) < 20
    registry.close()


async def test_a_drain_is_told_and_ends_with_the_registration() -> None:
    registry = EndpointRegistry()
    registry.create(NAME, address(1), 60.0)
    assert registry.drain(NAME, "e1")
    assert [one.draining for one in registry.found(NAME).value.addresses] == [True]
    assert not registry.drain(NAME, "e2")
    assert not registry.drain("upstreams/none", "e1")
    registry.delete(NAME, "e1")
    registry.create(NAME, address(1), 60.0)
    assert [one.draining for one in registry.found(NAME).value.addresses] == [False]
    registry.close()


async def test_what_is_registered_stays_while_the_upstream_is_kept() -> None:
    registry = EndpointRegistry()
    registry.keep({NAME: 60.0})
    registry.create(NAME, address(1), 60.0)
    first = RegistrySource(NAME, registry)
    first.start()
    registry.keep({NAME: 30.0, "upstreams/other": 60.0})
    second = RegistrySource(NAME, registry)
    second.start()
    await first.close()
    assert shown(second.found) == ["e1"]
    registry.create(NAME, address(2), 30.0)
    await registry.told(NAME)
    assert (shown(first.found), shown(second.found)) == (["e1"], ["e1", "e2"])
    registry.keep({})
    registry.keep({NAME: 60.0})
    assert shown(registry.found(NAME)) == []
    registry.close()


async def test_a_source_that_is_never_started_leaves_nothing_behind() -> None:
    registry = EndpointRegistry()
    assert shown(RegistrySource(NAME, registry).found) == []
    assert registry._upstreams == {}


async def test_who_waits_is_not_left_when_the_upstream_goes() -> None:
    registry = EndpointRegistry()
    registry.create(NAME, address(1), 60.0)
    registry.create(NAME, address(2), 60.0)
    waiting = asyncio.gather(registry.told(NAME))
    await asyncio.sleep(0)
    registry.close()
    async with asyncio.timeout(1):
        await waiting
