"""The index of what can be called, as configurations and schemas change."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from edge.model.config import Configuration, Forward, GrpcTarget, Route, RouteMatch
from edge.model.discovery import StaticDiscovery
from edge.model.schema import EMPTY_SCHEMA, SchemaSet
from edge.model.snapshot import Cluster, RoutePlan, Snapshot, UpstreamPlan
from edge.model.transcoding import Transcoding
from edge.model.upstreams import Upstream
from edge.model.watch import Watch
from edge.tasks import Tasks
from tests.support.echo import ECHO, echo_files
from tests.support.shop import SHOP, shop_file
from transcoding.index import Index, IndexKeeper
from transcoding.offers import RouteOffers, check_offers, compile_offers
from transcoding.rest import RestRule

FILES = echo_files()


class KnownCluster:
    """A cluster of which only the schema is looked at."""

    def __init__(self, schema: SchemaSet = EMPTY_SCHEMA) -> None:
        self.name = "upstreams/a"
        self.schema = schema


def configured(cluster: KnownCluster, *routes: Route) -> Snapshot:
    plans = {}
    upstream = UpstreamPlan(name=cluster.name, weight=1, cluster=cast(Cluster, cluster))
    for route in routes:
        plans[route.name] = RoutePlan(route=route, upstreams=(upstream,), max_request_bytes=1, max_response_bytes=1)
    return Snapshot(configuration=Configuration(), plans=plans, clusters={cluster.name: cast(Cluster, cluster)})


def route(name: str = "routes/a", *, service: str = ECHO, transcoding: Transcoding | None = None) -> Route:
    return Route(
        name=name,
        matches=(RouteMatch(target=GrpcTarget(service=service)),),
        action=Forward(upstreams=(("upstreams/a", 1),)),
        transcoding=transcoding or Transcoding(),
    )


class Kept:
    """A keeper with the watches it follows."""

    def __init__(self) -> None:
        self.snapshot: Watch[Snapshot] = Watch(Snapshot())
        self.changes: Watch[int] = Watch(0)
        self.tasks = Tasks()
        self.keeper = IndexKeeper(self.snapshot, self.changes, self.tasks.spawn)

    def verbs(self, path: str) -> tuple[str, ...]:
        return self.keeper.index.rules.verbs(path)

    async def settled(self) -> None:
        async with asyncio.timeout(10):
            while len(self.tasks):
                await asyncio.sleep(0.001)


async def test_a_configuration_is_indexed_before_the_next_call() -> None:
    kept = Kept()
    kept.snapshot.set(configured(KnownCluster(SchemaSet.of(FILES, offered=[ECHO])), route()))
    assert kept.verbs("/v1/items/a") == ("GET", "HEAD", "PATCH", "PUT")
    assert f"/{ECHO}/Plain" in kept.keeper.index.methods
    assert kept.keeper.index.snapshot is kept.snapshot.value


async def test_a_schema_that_is_learnt_is_indexed_without_a_change_of_the_configuration() -> None:
    kept = Kept()
    cluster = KnownCluster()
    kept.snapshot.set(configured(cluster, route()))
    assert kept.verbs("/v1/items/a") == ()
    cluster.schema = SchemaSet.of(FILES, offered=[ECHO])
    kept.changes.set(1)
    assert kept.verbs("/v1/items/a") == ("GET", "HEAD", "PATCH", "PUT"), "who hears of it can call it"


async def test_a_large_schema_is_compiled_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcoding.index._AT_ONCE", 3)
    kept = Kept()
    cluster = KnownCluster()
    kept.snapshot.set(configured(cluster, route()))
    cluster.schema = SchemaSet.of(FILES, offered=[ECHO])
    kept.changes.set(1)
    assert kept.verbs("/v1/items/a") == ()
    await kept.settled()
    assert kept.verbs("/v1/items/a") == ("GET", "HEAD", "PATCH", "PUT")


async def test_what_is_learnt_while_something_is_compiled_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcoding.index._AT_ONCE", 0)
    kept = Kept()
    cluster = KnownCluster()
    kept.snapshot.set(configured(cluster, route(service="")))
    cluster.schema = SchemaSet.of(FILES, offered=[ECHO])
    kept.changes.set(1)
    cluster.schema = SchemaSet.of([shop_file("Get").SerializeToString()])
    kept.changes.set(2)
    await kept.settled()
    assert list(kept.keeper.index.methods) == [f"/{SHOP}/Get"]


async def test_other_changes_leave_the_index_as_it_is() -> None:
    kept = Kept()
    kept.snapshot.set(configured(KnownCluster(SchemaSet.of(FILES, offered=[ECHO])), route()))
    before = kept.keeper.index
    kept.changes.set(1)
    await kept.settled()
    assert kept.keeper.index is before


async def test_what_did_not_change_is_not_compiled_again() -> None:
    kept = Kept()
    cluster = KnownCluster(SchemaSet.of(FILES, offered=[ECHO]))
    kept.snapshot.set(configured(cluster, route("routes/a"), route("routes/b")))
    before = kept.keeper.index.routes
    changed = route("routes/b", transcoding=Transcoding(rpc_paths=True))
    kept.snapshot.set(configured(cluster, replace(route("routes/a"), timeout=1.0), changed))
    after = kept.keeper.index.routes
    assert after["routes/a"][0] is before["routes/a"][0]
    assert after["routes/b"][0] is not before["routes/b"][0]


async def test_routes_offer_what_they_may_take_and_only_those_that_transcode() -> None:
    kept = Kept()
    cluster = KnownCluster(SchemaSet.of(FILES, offered=[ECHO]))
    single = Route(
        name="routes/one",
        matches=(RouteMatch(target=GrpcTarget(service=ECHO, method="Get")),),
        action=Forward(upstreams=(("upstreams/a", 1),)),
        transcoding=Transcoding(),
    )
    silent = Route(name="routes/none", action=Forward(upstreams=(("upstreams/a", 1),)))
    kept.snapshot.set(configured(cluster, single, silent))
    assert list(kept.keeper.index.methods) == [f"/{ECHO}/Get"]
    assert list(kept.keeper.index.routes) == ["routes/one"]


async def test_a_wrong_rule_costs_only_itself_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    from google.api import http_pb2

    kept = Kept()
    rules = (http_pb2.HttpRule(selector=f"{ECHO}.Plain", get="/plain/{nothing}").SerializeToString(),)
    wrong = route(transcoding=Transcoding(rules=rules))
    cluster = KnownCluster(SchemaSet.of(FILES, offered=[ECHO]))
    kept.snapshot.set(configured(cluster, wrong))
    kept.snapshot.set(configured(cluster, wrong))
    assert kept.verbs("/v1/items/a") == ("GET", "HEAD", "PATCH", "PUT")
    assert len(kept.keeper.index.problems) == 1
    assert [record.message.count("nothing") > 0 for record in caplog.records] == [True]


def test_rules_for_a_schema_that_is_configured_are_checked_as_a_whole() -> None:
    from google.api import http_pb2

    rules = (
        http_pb2.HttpRule(selector=f"{ECHO}.Plane", get="/plain").SerializeToString(),
        http_pb2.HttpRule(selector=f"{ECHO}.Find", get="/v1/{name=items/*}").SerializeToString(),
    )
    schema = SchemaSet.of(FILES, offered=[ECHO])
    problems = check_offers(compile_offers(route(transcoding=Transcoding(rules=rules)), schema), schema)
    words = [str(problem) for problem in problems]
    assert any(f"did you mean `{ECHO}.Plain`?" in line for line in words)
    assert any("takes the same paths" in line for line in words)
    assert len(words) == 2


def test_a_path_is_compared_with_so_many_templates_however_many_routes_there_are() -> None:
    def offered(path: str) -> RouteOffers:
        rule = SimpleNamespace(binding=SimpleNamespace(template=path))
        return RouteOffers(route(), (), (cast(RestRule, rule),), ())

    many = {f"routes/{number}": (offered(f"/{number}"),) for number in range(300)}
    assert Index(routes={"routes/shelves": (offered("/shelves"),), **many}).nearest("/shelfes") == "/shelves"
    assert Index(routes={**many, "routes/shelves": (offered("/shelves"),)}).nearest("/shelfes") == ""


def test_what_is_checked_is_not_compiled_again_when_it_comes_into_force() -> None:
    kept = Kept()
    cluster = KnownCluster(SchemaSet.of(FILES, offered=[ECHO]))
    discovery = StaticDiscovery(endpoints=())
    described = Upstream(name=cluster.name, discovery=discovery, schema="schemas/a")
    snapshot = replace(configured(cluster, route()), configuration=Configuration(upstreams={cluster.name: described}))
    assert list(kept.keeper.check(snapshot)) == []
    (checked,) = kept.keeper._checked.values()
    kept.snapshot.set(snapshot)
    assert kept.keeper.index.routes["routes/a"] == (checked,)
    assert not kept.keeper._checked
