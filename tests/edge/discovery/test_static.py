from __future__ import annotations

from edge.discovery import StaticSource
from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import EndpointAddress


async def test_it_tells_the_configured_endpoints_once_without_duplicates() -> None:
    one, two = EndpointAddress("127.0.0.1:1"), EndpointAddress("127.0.0.1:2", weight=3)
    source = StaticSource(StaticDiscovery(endpoints=(one, two, one)))
    source.start()
    assert source.found.value.addresses == (one, two)
    assert source.found.value.state.ok
    await source.close()
