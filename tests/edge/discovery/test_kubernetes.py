"""Following a service at an API server that does what real ones do, in order and not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from edge.discovery import kubernetes_api
from edge.discovery.base import Found
from edge.discovery.kubernetes import KubernetesSource, ServiceWatches
from edge.discovery.kubernetes_config import Access, AccessError
from edge.model.discovery import KubernetesDiscovery
from tests.support.kube_api import KubeApi, endpoint, endpoint_slice

CHECKOUT = KubernetesDiscovery(service="checkout")


class Place:
    """An API server, the credentials for it and the watches there are."""

    def __init__(self, api: KubeApi) -> None:
        self.api = api
        self.token = "good"
        self.reads = 0
        self.broken = ""
        self.watches = ServiceWatches(self.load, least=0.001, most=0.002)
        self.sources: list[KubernetesSource] = []

    def load(self, kubeconfig: str, context: str) -> Access:
        assert not kubeconfig
        assert not context
        self.reads += 1
        if self.broken:
            raise AccessError(self.broken)
        authorization = f"Bearer {self.token}"
        return Access(url=self.api.url, namespace="shop", words="the test's token", authorization=authorization)

    def source(self, discovery: KubernetesDiscovery = CHECKOUT) -> KubernetesSource:
        source = KubernetesSource(discovery, self.watches)
        self.sources.append(source)
        source.start()
        return source


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Place]:
    api = KubeApi()
    await api.start()
    place = Place(api)
    try:
        yield place
    finally:
        for source in place.sources:
            await source.close()
        await api.stop()
        assert not len(place.watches)


async def until(source: KubernetesSource, what: Callable[[Found], bool]) -> Found:
    """Wait for something to be found."""
    async with asyncio.timeout(20):
        async for found in source.found.follow():
            if what(found):
                return found
    raise AssertionError


def names(found: Found) -> list[str]:
    return [address.address for address in found.addresses]


def has(*addresses: str) -> Callable[[Found], bool]:
    return lambda found: names(found) == list(addresses) and found.state.ok


def says(words: str) -> Callable[[Found], bool]:
    return lambda found: not found.state.ok and words in found.state.error


async def test_nothing_is_known_before_the_first_list(place: Place) -> None:
    source = KubernetesSource(CHECKOUT, place.watches)
    assert source.found.value.state.error == "the EndpointSlices have not been listed yet"
    assert not source.found.value.state.ok
    await source.close()


async def test_a_list_then_each_change(place: Place) -> None:
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1", pod="one", zone="z1", node="n1")))
    source = place.source()
    found = await until(source, has("10.0.0.1:50051"))
    (address,) = found.addresses
    assert (address.zone, address.labels, address.draining) == ("z1", (("pod", "one"), ("node", "n1")), False)
    assert found.state.success_time is not None
    place.api.put(endpoint_slice("b", endpoint("10.0.0.2")))
    await until(source, has("10.0.0.1:50051", "10.0.0.2:50051"))
    leaving = endpoint("10.0.0.1", pod="one", ready=False, serving=True, terminating=True)
    place.api.put(endpoint_slice("a", leaving))
    await until(source, lambda found: [address.draining for address in found.addresses] == [True, False])
    place.api.delete("a")
    await until(source, has("10.0.0.2:50051"))
    assert place.api.count("list") == 1
    assert place.api.count("watch") == 1


async def test_a_list_of_several_pages_is_one(place: Place) -> None:
    place.api.page = 2
    for number in range(1, 6):
        place.api.put(endpoint_slice(f"s{number}", endpoint(f"10.0.0.{number}")))
    source = place.source()
    await until(source, has(*(f"10.0.0.{number}:50051" for number in range(1, 6))))
    assert place.api.count("list") == 3


async def test_pages_that_became_too_old_are_listed_anew_as_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.api.page = 1
    for number in (1, 2):
        place.api.put(endpoint_slice(f"s{number}", endpoint(f"10.0.0.{number}")))
    answer = place.api._list

    def compacted(request: Any, query: dict[str, str]) -> Any:
        result = answer(request, query)
        place.api.compact()
        return result

    monkeypatch.setattr(place.api, "_list", compacted)
    source = place.source()
    await until(source, lambda found: names(found) == ["10.0.0.1:50051", "10.0.0.2:50051"])
    lists = [query for verb, query, _ in place.api.requests if verb == "list"]
    assert ["limit" in query for query in lists[:3]] == [True, True, False]


async def test_a_list_without_end_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_api, "MAX_PAGES", 2)
    place.api.page = 1
    for number in (1, 2, 3):
        place.api.put(endpoint_slice(f"s{number}", endpoint(f"10.0.0.{number}")))
    await until(place.source(), says("the list of EndpointSlices does not end"))


async def test_a_burst_of_changes_is_told_once(place: Place) -> None:
    source = place.source()
    await until(source, says("it has no EndpointSlices"))
    await place.api.watched()
    told: list[Found] = []
    source.found.listen(told.append)
    for number in range(1, 51):
        place.api.put(endpoint_slice(f"s{number}", endpoint(f"10.0.0.{number}")))
    await until(source, lambda found: len(found.addresses) == 50)
    assert len(told) <= 2, "the second if the burst did not come at once"


@pytest.mark.parametrize("by_status", [False, True], ids=["by an event", "by the status"])
async def test_a_version_that_is_gone_is_listed_again(place: Place, by_status: bool) -> None:
    place.api.refuses_version = by_status
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1")))
    source = place.source()
    await until(source, has("10.0.0.1:50051"))
    await place.api.watched()
    # what happens while nobody watches, and is forgotten
    place.api.slices["a"] = endpoint_slice("a", endpoint("10.0.0.2"))
    place.api.compact()
    told: list[Found] = []
    source.found.listen(told.append)
    place.api.end_watches()
    await until(source, has("10.0.0.2:50051"))
    assert place.api.count("list") == 2
    assert all(found.addresses for found in told), "the endpoints stay until the list is there"


async def test_a_bookmark_moves_the_version_on(place: Place) -> None:
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1")))
    source = place.source()
    await until(source, has("10.0.0.1:50051"))
    await place.api.watched()
    place.api.revision = 500
    place.api.bookmark()
    place.api.compact()
    place.api.compacted = 500
    place.api.end_watches()
    await place.api.asked("watch", 2)
    assert place.api.requests[-1][1]["resourceVersion"] == "500"
    assert place.api.count("list") == 1


async def test_a_watch_cut_off_in_a_line_goes_on_from_there(place: Place) -> None:
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1")))
    source = place.source()
    await until(source, has("10.0.0.1:50051"))
    await place.api.watched()
    told: list[Found] = []
    source.found.listen(told.append)
    place.api.cut()
    await place.api.asked("watch", 2)
    place.api.put(endpoint_slice("b", endpoint("10.0.0.2")))
    await until(source, has("10.0.0.1:50051", "10.0.0.2:50051"))
    assert place.api.count("list") == 1
    assert all(found.state.ok for found in told), "one lost connection is no failure"


async def test_watches_that_end_again_and_again_are_shown_until_one_says_something(place: Place) -> None:
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1")))
    place.api.ends = True
    source = place.source()
    found = await until(source, says("ends each watch as soon as it has begun"))
    assert names(found) == ["10.0.0.1:50051"]
    place.api.ends = False
    await place.api.watched()
    place.api.bookmark()
    await until(source, has("10.0.0.1:50051"))


async def test_an_api_server_that_is_away_keeps_the_endpoints(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1")))
    source = place.source()
    before = await until(source, has("10.0.0.1:50051"))
    with caplog.at_level(logging.INFO, logger="edge.discovery.kubernetes"):
        await place.api.stop()
        found = await until(source, lambda found: found.state.failures >= 3)
        assert "cannot be reached" in found.state.error
        assert found.addresses == before.addresses
        assert found.state.success_time == before.state.success_time
        place.api.put(endpoint_slice("b", endpoint("10.0.0.2")))
        await place.api.start()
        await until(source, has("10.0.0.1:50051", "10.0.0.2:50051"))
    messages = [record.getMessage() for record in caplog.records]
    assert sum("cannot be reached" in message for message in messages) == 1, "said once, not at each try"
    assert "watched again" in messages[-1]


async def test_a_token_that_was_replaced_is_read_again(place: Place) -> None:
    source = place.source()
    await until(source, says("it has no EndpointSlices"))
    await place.api.watched()
    place.api.tokens = {"new"}
    place.token = "new"
    told: list[Found] = []
    source.found.listen(told.append)
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1")))
    place.api.end_watches()
    await until(source, has("10.0.0.1:50051"))
    await place.api.asked("watch", 3)
    assert [token for verb, _, token in place.api.requests if verb == "watch"] == ["good", "good", "new"]
    assert not any("credentials" in found.state.error for found in told)


async def test_a_token_that_has_expired_is_said_and_tried_again(place: Place) -> None:
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1")))
    source = place.source()
    await until(source, has("10.0.0.1:50051"))
    place.api.tokens = set()
    place.api.end_watches()
    found = await until(source, says("does not accept the credentials of the test's token"))
    assert "401 (Unauthorized)" in found.state.error
    assert names(found) == ["10.0.0.1:50051"]
    place.api.tokens = {"good"}
    await until(source, has("10.0.0.1:50051"))


@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_what_rbac_forbids_is_said_with_the_rule_that_is_missing(place: Place, verb: str) -> None:
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1")))
    place.api.forbidden = {verb}
    source = place.source()
    found = await until(source, says("forbids"))
    assert f'forbids to {verb} endpointslices in namespace "shop" with the test\'s token' in found.state.error
    assert (
        '`{apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"]}`'
        in found.state.error
    )
    place.api.forbidden = set()
    await until(source, has("10.0.0.1:50051"))


async def test_credentials_that_cannot_be_read_are_said_and_read_again(place: Place) -> None:
    place.broken = "the kubeconfig is broken"
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1")))
    source = place.source()
    await until(source, says("the kubeconfig is broken"))
    place.broken = ""
    await until(source, has("10.0.0.1:50051"))


async def test_an_old_server_is_asked_for_v1beta1(place: Place) -> None:
    place.api.version = "v1beta1"
    old = endpoint("10.0.0.1") | {"topology": {"topology.kubernetes.io/zone": "z9"}}
    place.api.put(endpoint_slice("a", old))
    source = place.source()
    found = await until(source, has("10.0.0.1:50051"))
    assert found.addresses[0].zone == "z9"
    # an update of the cluster takes v1beta1 away
    place.api.version = "v1"
    told: list[Found] = []
    source.found.listen(told.append)
    place.api.end_watches()
    await place.api.asked("list", 3)
    await place.api.watched()
    place.api.put(endpoint_slice("b", endpoint("10.0.0.2")))
    await until(source, has("10.0.0.1:50051", "10.0.0.2:50051"))
    assert all(found.state.ok for found in told)


async def test_what_is_no_api_server_is_said(place: Place) -> None:
    place.api.version = "v7"
    await until(place.source(), says("is it an API server of Kubernetes?"))


async def test_a_server_that_is_busy_is_left_alone_as_long_as_it_says(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.api.status, place.api.retry_after = 429, "17"
    slept: list[float] = []
    asleep = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        asleep.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("edge.discovery.kubernetes.asyncio.sleep", sleep)
    source = place.source()
    async with asyncio.timeout(20):
        await asleep.wait()
    assert slept == [17.0]
    assert source.found.value.state.error == "the API server answers 429 (try later)"


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[]",
        b'{"type":"ADDED"}',
        b'{"type":"ADDED","object":{"metadata":{"name":"x"}}}',
        b'{"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":"9"},"endpoints":[7]}}',
        b'{"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":"9"},"ports":["p"]}}',
    ],
)
async def test_an_event_that_cannot_be_read_is_said_and_the_slices_listed_again(place: Place, line: bytes) -> None:
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1")))
    source = place.source()
    await until(source, has("10.0.0.1:50051"))
    await place.api.watched()
    told: list[Found] = []
    source.found.listen(told.append)
    place.api.say(line)
    await place.api.asked("list", 2)
    await until(source, has("10.0.0.1:50051"))
    assert any("sent what is no EndpointSlice" in found.state.error for found in told)
    assert all(names(found) == ["10.0.0.1:50051"] for found in told)


async def test_a_watch_that_the_server_breaks_off_is_said(place: Place) -> None:
    source = place.source()
    await until(source, says("it has no EndpointSlices"))
    await place.api.watched()
    told: list[Found] = []
    source.found.listen(told.append)
    place.api.say(b'{"type":"ERROR","object":{"kind":"Status","message":"etcd is away","code":500}}')
    await place.api.asked("list", 2)
    assert any("has ended the watch: etcd is away" in found.state.error for found in told)


@pytest.mark.parametrize("body", [b"<html>", b"7", b"{}", b'{"items":[{}],"metadata":{"resourceVersion":"1"}}'])
async def test_a_list_that_cannot_be_read_is_said(place: Place, body: bytes) -> None:
    place.api.body = body
    source = place.source()
    found = await until(source, lambda found: found.state.failures > 0)
    assert "JSON" in found.state.error or "sent what is no EndpointSlice" in found.state.error


async def test_everybody_shares_the_watch_of_a_service(place: Place) -> None:
    ports = [{"name": "grpc", "port": 50051}, {"name": "http", "port": 8080}]
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1"), ports=ports))
    grpc = place.source(replace(CHECKOUT, port_name="grpc"))
    http = place.source(replace(CHECKOUT, port_number=8080))
    unclear = place.source()
    await until(grpc, has("10.0.0.1:50051"))
    await until(http, has("10.0.0.1:8080"))
    await until(unclear, says("it has several ports, `grpc` (50051), `http` (8080): say which with `port_name`"))
    assert place.api.count("watch") == 1
    await grpc.close()
    await unclear.close()
    place.api.put(endpoint_slice("a", endpoint("10.0.0.2"), ports=ports))
    await until(http, has("10.0.0.2:8080"))
    assert names(grpc.found.value) == ["10.0.0.1:50051"], "closed"
    late = place.source(replace(CHECKOUT, port_name="grpc"))
    assert names(late.found.value) == ["10.0.0.2:50051"], "known at once"
    await http.close()
    await late.close()
    assert not len(place.watches)
    await place.api.watched(0)


async def test_a_port_that_is_not_clear_any_more_keeps_the_endpoints(place: Place) -> None:
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1")))
    source = place.source()
    await until(source, has("10.0.0.1:50051"))
    ports = [{"name": "grpc", "port": 50051}, {"name": "http", "port": 8080}]
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1"), ports=ports))
    found = await until(source, says("it has several ports"))
    assert names(found) == ["10.0.0.1:50051"]


async def test_endpoints_that_are_all_gone_are_gone(place: Place) -> None:
    place.api.put(endpoint_slice("a", endpoint("10.0.0.1")))
    source = place.source()
    await until(source, has("10.0.0.1:50051"))
    place.api.put(endpoint_slice("a", ports=None))
    assert not (await until(source, says("service checkout: it has no endpoints"))).addresses


async def test_nothing_is_left_when_it_is_closed_while_it_waits_for_an_answer(place: Place) -> None:
    waiting = asyncio.Event()

    def load(kubeconfig: str, context: str) -> Access:
        waiting.loop.call_soon_threadsafe(waiting.set)  # type: ignore[attr-defined]
        raise AccessError("no")

    waiting.loop = asyncio.get_running_loop()  # type: ignore[attr-defined]
    watches = ServiceWatches(load)
    source = KubernetesSource(CHECKOUT, watches)
    source.start()
    source.start()
    async with asyncio.timeout(20):
        await waiting.wait()
    await source.close()
    await source.close()
    assert not len(watches)
