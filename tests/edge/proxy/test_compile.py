from __future__ import annotations

import pytest

from edge.model.config import Configuration, Forward, Route
from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import EndpointAddress
from edge.model.settings import Limits
from edge.model.upstreams import Upstream
from edge.proxy import compile_snapshot
from tests.edge.proxy.test_dispatcher import OneEndpoint

NAME = "upstreams/shop"


@pytest.mark.parametrize(
    ("route", "upstream", "limit"),
    [
        (None, None, (None, "route")),
        (1.0, None, (1.0, "route")),
        (None, 2.0, (2.0, "upstream")),
        (1.0, 2.0, (1.0, "route")),
        (2.0, 1.0, (1.0, "upstream")),
        (1.0, 1.0, (1.0, "route")),
    ],
)
def test_the_smaller_limit_of_route_and_upstream_is_known_before_a_call(
    route: float | None, upstream: float | None, limit: tuple[float | None, str]
) -> None:
    shop = Upstream(name=NAME, discovery=StaticDiscovery(endpoints=(EndpointAddress("127.0.0.1:1"),)), timeout=upstream)
    to_shop = Route(name="routes/shop", action=Forward(upstreams=((NAME, 1),)), timeout=route)
    configuration = Configuration(upstreams={NAME: shop}, routes={to_shop.name: to_shop})
    plan = compile_snapshot(configuration, {NAME: OneEndpoint(NAME)}, Limits()).plans["routes/shop"]
    assert plan.single is not None
    assert plan.single.unary_limit == limit
