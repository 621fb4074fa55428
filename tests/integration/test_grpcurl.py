"""The gateway as people manage and call it with the real grpcurl."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import configuration, learn
from tests.support.gateway import Gateway, upstream
from tests.support.probe_server import Probe
from tests.support.rpc import PROBE_SERVICE, TEST_SERVICE, eventually

GRPCURL = Path(sys.prefix) / "bin" / "grpcurl"
INSPECT = f"{PROBE_SERVICE.full_name}/Inspect"


@dataclass(frozen=True)
class Ran:
    """What a run of grpcurl gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The lines of the answer."""
        assert self.code == 0, self.err
        return self.out.split()


def run(address: str, *arguments: str, data: dict[str, Any] | None = None, options: tuple[str, ...] = ()) -> Ran:
    """Run grpcurl in clear text."""
    words = [str(GRPCURL), "-plaintext", "-max-time", "15", *options]
    if data is not None:
        words += ["-d", json.dumps(data)]
    done = subprocess.run([*words, address, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


async def grpcurl(
    address: str, *arguments: str, data: dict[str, Any] | None = None, options: tuple[str, ...] = ()
) -> Ran:
    """Run grpcurl and let the event loop go on."""
    return await asyncio.to_thread(run, address, *arguments, data=data, options=options)


@pytest.fixture(scope="module")
def managed(folder: Path, probes: tuple[Probe, Probe]) -> Iterator[Gateway]:
    """A gateway with nothing but an upstream from its file."""
    found = {"upstreams": [upstream("declared", probes[0].address)]}
    with Gateway("managed-gateway", folder, found) as gateway:
        yield gateway


def endpoints(*addresses: str) -> dict[str, Any]:
    return {"static": {"endpoints": [{"address": address} for address in addresses]}}


def forward(name: str, service: str = PROBE_SERVICE.full_name) -> dict[str, Any]:
    return {"matches": [{"grpc": {"service": service}}], "forward": {"upstreams": [{"upstream": name}]}}


async def test_list_and_describe(managed: Gateway) -> None:
    found = (await grpcurl(managed.admin, "list")).lines
    for name in ("Route", "Upstream", "Policy", "Consumer", "Schema", "Endpoint", "Health", "Config", "Admin"):
        assert f"gateway.v1.{name}Service" in found
    assert "grpc.health.v1.Health" in found
    assert (
        "gateway.v1.RouteService.CreateRoute" in (await grpcurl(managed.admin, "list", "gateway.v1.RouteService")).lines
    )
    described = await grpcurl(managed.admin, "describe", "gateway.v1.Route")
    assert "message Route" in described.out
    assert "repeated .gateway.v1.RouteMatch matches" in described.out


async def test_create_call_update_delete(managed: Gateway, probes: tuple[Probe, Probe]) -> None:
    """The whole life of an upstream and its route, and what the traffic port makes of it."""
    admin, traffic = managed.admin, managed.traffic
    # nothing takes the call yet
    refused = await grpcurl(traffic, INSPECT, data={}, options=proto())
    assert "Unimplemented" in refused.err

    made = await grpcurl(
        admin,
        "gateway.v1.UpstreamService/CreateUpstream",
        data={"upstream_id": "mine", "upstream": endpoints(probes[0].address)},
    )
    assert made.json["name"] == "upstreams/mine"
    made = await grpcurl(
        admin,
        "gateway.v1.RouteService/CreateRoute",
        data={"route_id": "mine", "route": forward("upstreams/mine")},
    )
    created = made.json
    assert created["name"] == "routes/mine"
    assert created["etag"]

    # the very next call takes it
    answer = await grpcurl(traffic, INSPECT, data={}, options=proto())
    assert answer.json["server"] == "probe"
    assert "routes/mine" in (await grpcurl(admin, "gateway.v1.RouteService/ListRoutes", data={})).out

    # two people change the route; the second one has not seen the first one's change
    change = {"name": "routes/mine", "display_name": "first", "etag": created["etag"]}
    first = await grpcurl(admin, "gateway.v1.RouteService/UpdateRoute", data={"route": change})
    assert first.json["display_name"] == "first"
    change = {"name": "routes/mine", "display_name": "second", "etag": created["etag"]}
    second = await grpcurl(admin, "gateway.v1.RouteService/UpdateRoute", data={"route": change})
    assert second.code != 0
    assert "Code: Aborted" in second.err
    assert "ETAG_MISMATCH" in second.err
    assert (await get(managed, "mine"))["display_name"] == "first"

    # an upstream in use is not deleted, and its user is named
    kept = await grpcurl(admin, "gateway.v1.UpstreamService/DeleteUpstream", data={"name": "upstreams/mine"})
    assert "Code: FailedPrecondition" in kept.err
    assert "routes/mine" in kept.err
    assert "RESOURCE_IN_USE" in kept.err
    assert (await grpcurl(traffic, INSPECT, data={}, options=proto())).code == 0

    # validate_only says yes and changes nothing
    dry = await grpcurl(
        admin, "gateway.v1.RouteService/DeleteRoute", data={"name": "routes/mine", "validate_only": True}
    )
    assert dry.code == 0, dry.err
    assert (await get(managed, "mine"))["name"] == "routes/mine"

    for service, name in (("RouteService/DeleteRoute", "routes"), ("UpstreamService/DeleteUpstream", "upstreams")):
        gone = await grpcurl(admin, f"gateway.v1.{service}", data={"name": f"{name}/mine"})
        assert gone.json == {}
    refused = await grpcurl(traffic, INSPECT, data={}, options=proto())
    assert "Unimplemented" in refused.err
    missing = await grpcurl(admin, "gateway.v1.RouteService/GetRoute", data={"name": "routes/mine"})
    assert "Code: NotFound" in missing.err
    assert "RESOURCE_NOT_FOUND" in missing.err


def proto() -> tuple[str, ...]:
    """Return the options that make grpcurl know the probe service without asking the server."""
    from tests.support.processes import ROOT

    return (
        "-import-path",
        str(ROOT / "tests" / "protos"),
        "-import-path",
        google_protos(),
        "-proto",
        "probe/probe.proto",
    )


def google_protos() -> str:
    """Return the folder that holds google/api/*.proto."""
    import google.api

    return str(Path(next(iter(google.api.__path__))).parent.parent)


async def get(gateway: Gateway, name: str) -> Any:
    """Return a route."""
    return (await grpcurl(gateway.admin, "gateway.v1.RouteService/GetRoute", data={"name": f"routes/{name}"})).json


async def test_validate_only_creates_nothing(managed: Gateway) -> None:
    data = {"upstream_id": "dry", "upstream": endpoints("127.0.0.1:1"), "validate_only": True}
    dry = await grpcurl(managed.admin, "gateway.v1.UpstreamService/CreateUpstream", data=data)
    assert dry.json["name"] == "upstreams/dry"
    missing = await grpcurl(managed.admin, "gateway.v1.UpstreamService/GetUpstream", data={"name": "upstreams/dry"})
    assert "Code: NotFound" in missing.err


@pytest.mark.parametrize(
    ("method", "data", "code", "words"),
    [
        (
            "UpstreamService/CreateUpstream",
            {"upstream_id": "Bad Name", "upstream": endpoints("127.0.0.1:1")},
            "InvalidArgument",
            "upstream_id",
        ),
        (
            "UpstreamService/CreateUpstream",
            {"upstream_id": "empty", "upstream": {"static": {}}},
            "InvalidArgument",
            "endpoints",
        ),
        (
            "UpstreamService/CreateUpstream",
            {"upstream_id": "declared", "upstream": endpoints("127.0.0.1:1")},
            "AlreadyExists",
            "upstreams/declared",
        ),
        (
            "RouteService/CreateRoute",
            {"route_id": "dangling", "route": forward("upstreams/nobody")},
            "InvalidArgument",
            "upstreams/nobody",
        ),
        (
            "RouteService/CreateRoute",
            {
                "route_id": "template",
                "route": {**forward("upstreams/declared"), "matches": [{"http": {"path": "/a/{b/c"}}]},
            },
            "InvalidArgument",
            "path",
        ),
        (
            "UpstreamService/DeleteUpstream",
            {"name": "upstreams/declared"},
            "FailedPrecondition",
            "managed-gateway.yaml",
        ),
        ("UpstreamService/DeleteUpstream", {"name": "upstreams/nobody"}, "NotFound", "upstreams/nobody"),
        ("UpstreamService/ListUpstreams", {"page_size": -1}, "InvalidArgument", "page_size"),
        ("UpstreamService/ListUpstreams", {"page_token": "nonsense"}, "InvalidArgument", "page_token"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_refusals(managed: Gateway, method: str, data: dict[str, Any], code: str, words: str) -> None:
    """Each has its code, an ErrorInfo and the words that say where."""
    refused = await grpcurl(managed.admin, f"gateway.v1.{method}", data=data)
    assert refused.code != 0
    assert f"Code: {code}" in refused.err
    assert words in refused.err
    assert "google.rpc.ErrorInfo" in refused.err
    assert "gateway.internal" in refused.err


async def test_routes_that_tie_are_refused_with_both_names(managed: Gateway) -> None:
    create = "gateway.v1.RouteService/CreateRoute"
    data = {"route_id": "tie-one", "route": forward("upstreams/declared", "tie.v1.Service")}
    assert (await grpcurl(managed.admin, create, data=data)).code == 0
    refused = await grpcurl(managed.admin, create, data={**data, "route_id": "tie-two"})
    assert "Code: InvalidArgument" in refused.err
    assert "routes/tie-one" in refused.err
    assert "routes/tie-two" in refused.err
    gone = await grpcurl(managed.admin, "gateway.v1.RouteService/DeleteRoute", data={"name": "routes/tie-one"})
    assert gone.code == 0, gone.err


async def test_explain_and_info(managed: Gateway) -> None:
    info = (await grpcurl(managed.admin, "gateway.v1.AdminService/GetServerInfo", data={})).json
    assert info["version"]
    assert info["listeners"][0]["address"] == managed.traffic
    explained = await grpcurl(
        managed.admin, "gateway.v1.AdminService/ExplainCall", data={"path": "/nobody.v1.NobodyService/Nothing"}
    )
    assert not explained.json.get("matched", False)


@pytest.fixture(scope="module")
def merged(folder: Path) -> Iterator[Gateway]:
    """A gateway in front of two upstreams with different services."""
    with (
        Probe("grpcurl-testing", folder, "--services", "testing") as first,
        Probe("grpcurl-probe", folder, "--services", "probe") as second,
    ):
        found = configuration(first.address)
        found["upstreams"].append(upstream("second", second.address))
        found["routes"][1]["forward"]["upstreams"][0]["upstream"] = "upstreams/second"
        with Gateway("merged-gateway", folder, found) as gateway:
            learn(gateway.admin, TEST_SERVICE.full_name, PROBE_SERVICE.full_name)
            yield gateway


async def test_merged_reflection(merged: Gateway) -> None:
    """grpcurl needs no proto files: the traffic port describes the services of both upstreams and calls them."""
    found = (await grpcurl(merged.traffic, "list")).lines
    assert {TEST_SERVICE.full_name, PROBE_SERVICE.full_name} <= set(found)
    described = await grpcurl(merged.traffic, "describe", TEST_SERVICE.full_name)
    assert "rpc UnaryCall" in described.out
    answer = await grpcurl(merged.traffic, INSPECT, data={"number": 1})
    assert answer.json["server"] == "grpcurl-probe"
    sizes = await grpcurl(
        merged.traffic, f"{TEST_SERVICE.full_name}/StreamingOutputCall", data={"response_parameters": [{"size": 3}] * 2}
    )
    assert sizes.code == 0, sizes.err
    assert sizes.out.count('"AAAA"') == 2


async def test_merged_reflection_sees_a_new_upstream(managed: Gateway, probes: tuple[Probe, Probe]) -> None:
    """Created through the API, its services are soon listed on the traffic port."""
    create = await grpcurl(
        managed.admin,
        "gateway.v1.RouteService/CreateRoute",
        data={"route_id": "shown", "route": forward("upstreams/declared", TEST_SERVICE.full_name)},
    )
    assert create.code == 0, create.err

    async def listed() -> bool:
        return TEST_SERVICE.full_name in (await grpcurl(managed.traffic, "list")).out

    await eventually(listed, within=15)
    empty = await grpcurl(managed.traffic, f"{TEST_SERVICE.full_name}/EmptyCall", data={})
    assert empty.json == {}
    gone = await grpcurl(managed.admin, "gateway.v1.RouteService/DeleteRoute", data={"name": "routes/shown"})
    assert gone.code == 0, gone.err
