from __future__ import annotations

import grpc
import grpc.aio
import pytest

from edge.model.call import Call
from edge.model.config import DirectResponse, Route
from edge.model.endpoint import Endpoint, EndpointAddress
from edge.model.refusals import deadline, too_large
from edge.model.snapshot import RoutePlan
from edge.model.status import Code
from edge.model.unexpected import unexpected
from edge.proxy.respond import CODES, GRPC_CODES, connection_failure

REFUSED = (
    "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.7:1: Failed to connect to remote host: "
    "connect: Connection refused (111)"
)


def error(code: grpc.StatusCode, details: str, *trailing: tuple[str, str]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details)


def call(**limits: int) -> Call:
    made = Call("/shop.v1.Shop/Buy")
    route = Route(
        name="routes/shop",
        action=DirectResponse(code=Code.OK),
        max_request_message_bytes=limits.get("own", 0),
    )
    made.plan = RoutePlan(route=route, max_request_bytes=limits.get("own") or 100, max_response_bytes=100)
    made.endpoint = Endpoint(EndpointAddress("10.0.0.7:1"))
    return made


def test_the_codes_are_the_same_on_both_sides() -> None:
    assert {ours.name for ours in GRPC_CODES} == {theirs.name for theirs in CODES}
    assert all(ours == theirs.value[0] for ours, theirs in GRPC_CODES.items())


@pytest.mark.parametrize(
    ("code", "details", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, REFUSED, "UPSTREAM_UNREACHABLE"),
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", "UPSTREAM_UNREACHABLE"),
        (grpc.StatusCode.UNAVAILABLE, "recvmsg:Connection reset by peer", "UPSTREAM_UNREACHABLE"),
        (grpc.StatusCode.UNAVAILABLE, "Trying to connect an http1.x server", "UPSTREAM_PROTOCOL_ERROR"),
        (grpc.StatusCode.INTERNAL, "Internal error from Core", "UPSTREAM_UNREACHABLE"),
    ],
)
def test_a_failed_connection_is_a_refusal_of_ours_without_addresses(
    code: grpc.StatusCode, details: str, reason: str
) -> None:
    refusal = connection_failure(call(), error(code, details))
    assert refusal is not None
    assert (refusal.reason, refusal.status.code) == (reason, Code.UNAVAILABLE)
    assert b"10.0.0.7" not in refusal.status.to_proto().SerializeToString()
    assert "10.0.0.7" in refusal.cause


@pytest.mark.parametrize(
    "status",
    [
        error(grpc.StatusCode.UNAVAILABLE, "the shop is closed on Sundays"),
        error(grpc.StatusCode.UNAVAILABLE, "Socket closed", ("x-shop", "1")),
        error(grpc.StatusCode.INTERNAL, "Socket closed"),
        error(grpc.StatusCode.UNKNOWN, "something"),
    ],
    ids=["other words", "with trailers", "another code", "unknown"],
)
def test_an_upstreams_own_status_is_none(status: grpc.aio.AioRpcError) -> None:
    assert connection_failure(call(), status) is None


def test_a_message_that_is_too_large_names_the_limit() -> None:
    general, own = too_large("request", 101, call()), too_large("request", 11, call(own=10))
    assert general.metadata["limit"] == "server.limits.max_message_bytes"
    assert own.metadata == {
        "limit": "max_request_message_bytes of routes/shop",
        "limitBytes": "10",
        "messageBytes": "11",
    }


def test_a_deadline_of_ours_says_whose() -> None:
    assert deadline(call(), "route", 1.5).message == (
        "the call took longer than the 1.5 s that the route timeout of routes/shop allows"
    )
    assert deadline(call(), "stream idle", 2).message.startswith("no message for the 2 s")


def test_the_unexpected_is_logged_under_an_id_and_tells_the_caller_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusal = unexpected(call(), ValueError("password is swordfish"))
    assert refusal.metadata["errorId"] in caplog.text
    assert "swordfish" in caplog.text
    assert b"swordfish" not in refusal.status.to_proto().SerializeToString()
