"""Why no endpoint takes a call, told apart."""

from __future__ import annotations

from edge.model.endpoint import Endpoint, EndpointState
from edge.model.errors import CircuitOpen, ConcurrencyLimited, NoHealthyEndpoint
from edge.upstream.nobody import nobody
from tests.edge.admin.fakes import FakeCluster, endpoint


def busy(active: int, most: int, state: EndpointState = EndpointState.ACTIVE) -> Endpoint:
    made = endpoint("10.0.0.7:1", state, "gone")
    made.active, made.max_active = active, most
    return made


def test_endpoints_that_have_as_many_calls_as_they_may() -> None:
    error = nobody(FakeCluster("upstreams/a", busy(3, 3)), "/a/B", None, most=3)
    assert isinstance(error, ConcurrencyLimited)
    assert error.metadata["limit"] == "limits.max_calls_per_endpoint"


def test_a_half_open_breaker_is_no_limit_that_somebody_set() -> None:
    for most in (0, 3):
        error = nobody(FakeCluster("upstreams/a", busy(1, 1)), "/a/B", None, most=most)
        assert isinstance(error, CircuitOpen)
    both = nobody(FakeCluster("upstreams/a", busy(1, 1), busy(3, 3)), "/a/B", None, most=3)
    assert isinstance(both, ConcurrencyLimited)


def test_endpoints_that_take_no_calls_are_named_to_operators_only() -> None:
    error = nobody(FakeCluster("upstreams/a", busy(3, 3, EndpointState.UNHEALTHY)), "/a/B", None, most=3)
    assert isinstance(error, NoHealthyEndpoint)
    assert "10.0.0.7" not in error.message
    assert error.cause == "10.0.0.7:1 gone"
