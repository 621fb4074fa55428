"""Discovery by a real API server: what the stand-in plays is what this one does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from edge.discovery import kubernetes_api
from edge.discovery.base import Found
from edge.discovery.kubernetes import KubernetesSource, ServiceWatches
from edge.discovery.kubernetes_api import ROLE, GoneError, SliceApi
from edge.discovery.kubernetes_config import Access, Credentials
from edge.model.discovery import KubernetesDiscovery
from tests.support.kube_api import endpoint, endpoint_slice
from tests.support.kube_server import KubeServer

SERVER_PATH = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop"


class Place:
    """The server, and the credentials the gateway has."""

    def __init__(self, server: KubeServer) -> None:
        self.server = server
        self.token = "admin-token"

    def load(self, kubeconfig: str = "", context: str = "") -> Access:
        del kubeconfig, context
        return self.server.access(self.token)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(folder: Path) -> AsyncIterator[KubeServer]:
    place = folder / "kubernetes"
    place.mkdir()
    server = KubeServer(place, Path(os.environ["EDGE_KUBE"]))
    try:
        await server.start()
        versions = (await server.ask("/apis/discovery.k8s.io"))["versions"]
        server.version = versions[0]["version"]
        await server.ask("/api/v1/namespaces", method="POST", body={"metadata": {"name": "shop"}})
        yield server
    finally:
        await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def place(server: KubeServer) -> AsyncIterator[Place]:
    yield Place(server)
    path = f"/apis/discovery.k8s.io/{server.version}/namespaces/shop/endpointslices"
    for item in (await server.ask(path))["items"]:
        await server.delete_slice(item["metadata"]["name"])


@pytest_asyncio.fixture(loop_scope="session")
async def source(place: Place) -> AsyncIterator[KubernetesSource]:
    source = KubernetesSource(KubernetesDiscovery(service="checkout"), ServiceWatches(place.load, least=0.05, most=0.2))
    yield source
    await source.close()


async def until(source: KubernetesSource, what: Callable[[Found], bool]) -> Found:
    """Wait for something to be found."""
    async with asyncio.timeout(60):
        async for found in source.found.follow():
            if what(found):
                return found
    raise AssertionError


def has(*addresses: str) -> Callable[[Found], bool]:
    return lambda found: [one.address for one in found.addresses] == list(addresses) and found.state.ok


async def test_slices_come_change_and_go(place: Place, source: KubernetesSource) -> None:
    source.start()
    await until(source, lambda found: "it has no EndpointSlices" in found.state.error)
    await place.server.put_slice(endpoint_slice("a", endpoint("10.1.0.1", pod="one", node="n1", ready=True)))
    found = await until(source, has("10.1.0.1:50051"))
    assert found.addresses[0].labels == (("pod", "one"), ("node", "n1"))
    await place.server.put_slice(endpoint_slice("b", endpoint("10.1.0.2", ready=True)))
    await until(source, has("10.1.0.1:50051", "10.1.0.2:50051"))
    leaving = endpoint("10.1.0.1", pod="one", ready=False, serving=True, terminating=True)
    await place.server.put_slice(endpoint_slice("a", leaving))
    await until(source, lambda found: [one.draining for one in found.addresses] == [True, False])
    await place.server.delete_slice("a")
    await until(source, has("10.1.0.2:50051"))


async def test_pages(place: Place, source: KubernetesSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_api, "_LISTS", ({"limit": "2"}, {}))
    for number in range(1, 6):
        await place.server.put_slice(endpoint_slice(f"s{number}", endpoint(f"10.1.0.{number}", ready=True)))
    source.start()
    await until(source, has(*(f"10.1.0.{number}:50051" for number in range(1, 6))))


async def test_the_role_that_is_missing_is_the_one_that_helps(place: Place, source: KubernetesSource) -> None:
    place.token = "gateway-token"
    await place.server.put_slice(endpoint_slice("a", endpoint("10.1.0.1", ready=True)))
    source.start()
    found = await until(source, lambda found: "forbids to list" in found.state.error)
    assert 'User "gateway" cannot list resource "endpointslices"' in found.state.error
    rule = yaml.safe_load(found.state.error.split("`")[1])
    assert rule == yaml.safe_load(ROLE)
    role = {"metadata": {"name": "edge"}, "rules": [rule]}
    await place.server.ask(f"{SERVER_PATH}/roles", method="POST", body=role)
    group = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": "edge"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "edge"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "gateway"}],
    }
    await place.server.ask(f"{SERVER_PATH}/rolebindings", method="POST", body=binding)
    await until(source, has("10.1.0.1:50051"))


async def test_a_token_that_is_not_known_until_it_is_replaced(place: Place, source: KubernetesSource) -> None:
    place.token = "expired"
    await place.server.put_slice(endpoint_slice("a", endpoint("10.1.0.1", ready=True)))
    source.start()
    await until(source, lambda found: "401 (Unauthorized)" in found.state.error)
    place.token = "admin-token"
    await until(source, has("10.1.0.1:50051"))


async def test_versions_that_were_compacted_are_gone(place: Place) -> None:
    # its cache of what happened lately would hide what etcd has forgotten
    place.server.stop_server()
    await place.server.start_server("--watch-cache=false")
    await place.server.put_slice(endpoint_slice("a", endpoint("10.1.0.1", ready=True)))
    await place.server.compact()
    api = SliceApi("checkout", "shop", Credentials(place.load))

    def take(event: Mapping[str, Any]) -> None:
        kubernetes_api.SliceSet().apply(event)

    with pytest.raises(GoneError):
        await api.watch("1", 5, lambda: None, take)
    await api.close()


async def test_an_api_server_that_is_killed_and_comes_back(place: Place, source: KubernetesSource) -> None:
    await place.server.put_slice(endpoint_slice("a", endpoint("10.1.0.1", ready=True)))
    source.start()
    await until(source, has("10.1.0.1:50051"))
    place.server.stop_server()
    found = await until(source, lambda found: found.state.failures >= 2)
    assert [one.address for one in found.addresses] == ["10.1.0.1:50051"]
    await place.server.start_server()
    await place.server.put_slice(endpoint_slice("b", endpoint("10.1.0.2", ready=True)))
    await until(source, has("10.1.0.1:50051", "10.1.0.2:50051"))
