"""Health checks of a cluster's endpoints against real servers, on both engines."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from edge.model.call import Call
from edge.model.config import Configuration
from edge.model.endpoint import EndpointAddress, EndpointState, Judge
from edge.model.errors import NoHealthyEndpoint
from edge.model.resilience import GrpcProbe, HttpProbe, TcpProbe
from edge.model.schema import SchemaSet
from edge.model.snapshot import SourceState
from edge.upstream.grpc_endpoint import GrpcEndpoint
from tests.edge.upstream.health_place import HTTP, NAME, NOT_SERVING, SERVING, WAIT, check, checked, http_server, server
from tests.support.shop import SHOP, shop_file


@pytest.fixture(params=["grpc.aio", "wire"])
def wire(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "wire")


async def eventually(condition: Any) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_server_that_stops_serving_is_out_at_once_and_comes_back(wire: bool) -> None:
    async with server() as backend, checked([backend.address], check(interval=60.0), wire=wire) as place:
        await place.active()
        assert place.endpoint.verdict(Judge.HEALTH) is None
        # by Watch: the next check is in a minute
        await backend.set("", NOT_SERVING)
        await place.unhealthy("says NOT_SERVING (grpc.health.v1)")
        assert place.endpoint.last_error == "says NOT_SERVING (grpc.health.v1)"
        with pytest.raises(NoHealthyEndpoint):
            place.cluster.pick(Call("/a/B"), 0.0)
        await backend.set("", SERVING)
        await place.active()
        assert place.endpoint.last_error, "stays for people"


async def test_an_endpoint_that_does_not_serve_from_the_beginning_gets_no_call(wire: bool) -> None:
    async with server() as backend:
        await backend.set("", NOT_SERVING)
        async with checked([backend.address], check(), wire=wire) as place:
            await place.unhealthy("says NOT_SERVING")


async def test_without_watch_the_checks_say_so(wire: bool) -> None:
    async with server("check") as backend, checked([backend.address], check(), wire=wire) as place:
        await place.active()
        await backend.set("", NOT_SERVING)
        await place.unhealthy("says NOT_SERVING")
        await backend.set("", SERVING)
        await place.active()
        assert backend.servicer.watches == []


async def test_without_a_health_service_it_is_enough_that_it_answers(
    wire: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="edge.upstream.health")
    quick = check(interval=0.02)
    async with server("") as one, server("") as two, checked([one.address, two.address], quick, wire=wire) as place:
        await place.active()
        await asyncio.sleep(0.1)  # some checks later
        assert all(endpoint.state is EndpointState.ACTIVE for endpoint in place.cluster.endpoints)
        assert place.endpoint.last_error == ""
    told = [record for record in caplog.records if "does not offer grpc.health.v1" in record.message]
    assert len(told) == 1, "once for the upstream"


async def test_a_service_that_does_not_serve_takes_only_its_methods_out(wire: bool) -> None:
    named = check(GrpcProbe(services=("", "shop.v1.Shop", "a.B")))
    async with server() as one, server() as two, checked([one.address, two.address], named, wire=wire) as place:
        for backend in (one, two):
            await backend.set("shop.v1.Shop", SERVING)
            await backend.set("a.B", SERVING)
        await place.until(lambda: not any(endpoint.not_serving for endpoint in place.cluster.endpoints))
        await place.active()
        await one.set("shop.v1.Shop", NOT_SERVING)
        await place.until(lambda: place.endpoint.not_serving == {"shop.v1.Shop"})
        shop, other = Call("/shop.v1.Shop/Buy"), Call("/a.B/C")
        assert {place.cluster.pick(shop, 0.0).address for _ in range(4)} == {two.address}
        assert {place.cluster.pick(other, 0.0).address for _ in range(4)} == {one.address, two.address}
        words = "round robin over 1 of 1 endpoints; 1 of 2 endpoints left out that does not serve shop.v1.Shop"
        assert place.cluster.preview(shop)[1] == words
        await two.set("shop.v1.Shop", NOT_SERVING)
        await place.until(lambda: all(endpoint.not_serving for endpoint in place.cluster.endpoints))
        with pytest.raises(NoHealthyEndpoint) as caught:
            place.cluster.pick(shop, 0.0)
        assert caught.value.message.endswith(
            "none of its 2 endpoints serves shop.v1.Shop, as their health service says"
        )
        assert caught.value.metadata["service"] == "shop.v1.Shop"
        assert place.cluster.pick(other, 0.0).address in (one.address, two.address)
        await one.set("shop.v1.Shop", SERVING)
        await place.until(lambda: not place.endpoint.not_serving)
        assert place.cluster.pick(shop, 0.0).address == one.address


async def test_every_service_of_the_schema_is_asked_about_and_nothing_is_missed_that_the_server_does_not_know(
    wire: bool,
) -> None:
    schema = SchemaSet.of([shop_file("Get").SerializeToString()])
    async with server() as backend, checked([backend.address], check(), wire=wire) as place:
        place.cluster.given_schema = schema
        place.cluster._learnt()
        await eventually(lambda: SHOP in backend.servicer.watches)
        await place.active()
        assert place.endpoint.not_serving == frozenset()
        await backend.set(SHOP, NOT_SERVING)
        await place.until(lambda: place.endpoint.not_serving == {SHOP})


async def test_a_silent_server_is_out_after_one_timeout_and_back_when_it_answers(wire: bool) -> None:
    settings = check(interval=0.05, timeout=0.2, unhealthy_threshold=3)
    async with server() as backend, checked([backend.address], settings, wire=wire) as place:
        await place.active()
        backend.servicer.silent = True
        await place.unhealthy("does not answer health checks within 0.2 s")
        backend.servicer.silent = False
        await place.active()


async def test_a_restarted_server_is_checked_before_it_gets_calls(wire: bool) -> None:
    async with server() as backend, checked([backend.address], check(interval=60.0), wire=wire) as place:
        await place.active()
        await backend.stop()
        await place.unhealthy("cannot be reached")
        await backend.set("", NOT_SERVING)
        await backend.start()
        await place.unhealthy("says NOT_SERVING")
        await backend.set("", SERVING)
        await place.active()


async def test_watches_do_not_keep_a_server_from_stopping(wire: bool) -> None:
    async with server() as backend, checked([backend.address], check(interval=60.0), wire=wire) as place:
        await place.active()
        await eventually(lambda: backend.servicer.watches)
        async with asyncio.timeout(5):
            await backend.stop(grace=30)


async def test_a_new_endpoint_beside_others_waits_for_its_first_check(wire: bool) -> None:
    async with server() as one, server() as two:
        two.servicer.silent = True
        named = check(GrpcProbe(services=("",)), interval=60.0, timeout=5.0)
        async with checked([one.address], named, wire=wire) as place:
            await place.active()
            source = place.cluster._source.found
            addresses = (EndpointAddress(one.address), EndpointAddress(two.address))
            source.set(replace(source.value, addresses=addresses))
            new = place.cluster.endpoints[1]
            assert (new.state, new.reason) == (EndpointState.UNHEALTHY, "has not been checked yet")
            await place.active()


async def test_nothing_is_checked_that_left(wire: bool) -> None:
    async with server() as backend, checked([backend.address], check(interval=0.02), wire=wire) as place:
        await place.active()
        await eventually(lambda: len(backend.servicer.checks) > 3)
        source = place.cluster._source.found
        source.set(replace(source.value, addresses=()))
        await eventually(lambda: not place.cluster._health._checkers)
        await asyncio.sleep(0.05)
        before = len(backend.servicer.checks)
        await asyncio.sleep(0.1)
        assert len(backend.servicer.checks) == before


async def test_an_upstream_that_changes_or_goes_while_it_is_checked_leaves_nothing_behind(wire: bool) -> None:
    """Neither a task, nor a call, nor a connection."""
    async with server() as backend:
        backend.servicer.silent = True
        quick = check(GrpcProbe(services=("", "a.B")), interval=0.02, timeout=0.02)
        async with checked([backend.address], quick, wire=wire) as place:
            for number in range(6):
                expected = 2 * number
                await eventually(lambda least=expected: len(backend.servicer.watches) > least)
                upstream = replace(place.cluster.upstream, authority=f"number-{number}")
                configuration = Configuration(upstreams={NAME: upstream})
                place.clusters.publish(configuration, place.clusters.prepare(configuration))
                place.cluster = place.clusters.current[NAME]
            gone = place.cluster.endpoints[0].carrier
            place.clusters.publish(Configuration(), {})
            await eventually(lambda: backend.servicer.watching == 0)
            names = ("health", "connections of", "watch endpoint")
            await eventually(lambda: not [one for one in asyncio.all_tasks() if one.get_name().startswith(names)])
            asked = len(backend.servicer.checks)
            await asyncio.sleep(0.1)
            assert len(backend.servicer.checks) == asked
            if isinstance(gone, GrpcEndpoint):
                assert not gone._dialler.open


async def test_services_that_are_lent_later_are_asked_about_at_all_endpoints(wire: bool) -> None:
    schema = SchemaSet.of([shop_file("Get").SerializeToString()])
    lent: list[SchemaSet] = [SchemaSet()]
    async with server() as backend, checked([backend.address], check(), wire=wire) as place:
        place.cluster.borrowed_schema = lambda: (lent[0], SourceState())
        await place.active()
        lent[0] = schema
        place.clusters._changed()
        await eventually(lambda: SHOP in backend.servicer.watches)


async def test_without_a_probe_nothing_is_asked(wire: bool) -> None:
    async with server() as backend, checked([backend.address], None, wire=wire) as place:
        await place.active()
        await backend.set("", NOT_SERVING)
        await asyncio.sleep(0.05)
        assert place.endpoint.state is EndpointState.ACTIVE
        assert not backend.servicer.checks
        assert not backend.servicer.watches


@pytest.mark.parametrize(
    ("status", "statuses", "words"),
    [
        (200, (), ""),
        (204, (), ""),
        (302, (), "answers health checks with 302"),
        (302, (302, 200), ""),
        (503, (), "answers health checks with 503"),
        (200, (204,), "answers health checks with 200"),
    ],
)
async def test_http_statuses(status: int, statuses: tuple[int, ...], words: str) -> None:
    probe = HttpProbe(path="/health?deep=1", statuses=frozenset(statuses))
    async with http_server([status]) as (address, lines), checked([address], check(probe), wire=True, **HTTP) as place:
        await (place.unhealthy(words) if words else place.active())
        await eventually(lambda: len(lines) > 2)
        assert set(lines) == {"GET /health?deep=1 HTTP/1.1"}


async def test_an_http_server_that_fails_is_out_after_the_threshold_and_comes_back() -> None:
    status = [200]
    settings = check(HttpProbe(path="/"), interval=0.05, timeout=0.2, unhealthy_threshold=3, healthy_threshold=2)
    async with http_server(status) as (address, lines), checked([address], settings, wire=True, **HTTP) as place:
        await place.active()
        status[0] = 500
        before = len(lines)
        await place.unhealthy("answers health checks with 500")
        assert len(lines) >= before + 3
        status[0] = 200
        await place.active()
        status[0] = 0
        await place.unhealthy("does not answer health checks within 0.2 s")
        status[0] = 200
        await place.active()


async def test_tcp_at_an_http_upstream() -> None:
    settings = check(TcpProbe(), interval=0.02)
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with checked([f"127.0.0.1:{port}"], settings, wire=True, **HTTP) as place:
        await place.active()
        listening.close()
        await listening.wait_closed()
        # its connections say nothing as long as nobody uses them: it is the check that notices
        await place.unhealthy("cannot be reached: Connection refused")
        listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
        await place.active()
        listening.close()


async def test_tcp_at_a_grpc_upstream(wire: bool) -> None:
    async with server("") as backend, checked([backend.address], check(TcpProbe()), wire=wire) as place:
        await place.active()
