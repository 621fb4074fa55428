from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.model.call import Call
from edge.model.config import DirectResponse, Route, RouteMatch, ValueMatch
from edge.model.snapshot import RoutePlan
from edge.model.status import Code
from edge.routing.bucket import Bucket
from edge.routing.rule import Rule, compile_rules


def rules(*matches: RouteMatch) -> list[Rule]:
    route = Route(name="routes/r", matches=matches, action=DirectResponse(code=Code.OK))
    compiled, violations = compile_rules(RoutePlan(route=route, max_request_bytes=1, max_response_bytes=1))
    assert not violations
    return compiled


def bucket_of(compiled: list[Rule]) -> Bucket:
    bucket = Bucket()
    for rule in compiled:
        bucket.add(rule)
    bucket.freeze()
    return bucket


def tenant(number: int) -> RouteMatch:
    return RouteMatch(headers=(ValueMatch(name="x", exact=str(number)),))


def test_an_empty_bucket_finds_nothing() -> None:
    bucket = bucket_of([])
    assert not bucket
    assert bucket.sure is None
    assert bucket.first(Call("/s.A/M")) is None


def test_a_rule_without_conditions_that_comes_first_is_sure() -> None:
    (free,) = rules(RouteMatch())
    assert bucket_of([free]).sure is free
    assert bucket_of([free, *rules(tenant(1))]).sure is None


def test_many_rules_are_looked_up_by_value() -> None:
    compiled = rules(*map(tenant, range(1_000)), RouteMatch())
    bucket = bucket_of(compiled)
    assert bucket.first(Call("/s.A/M", [("x", "7")])) is compiled[7]
    assert bucket.first(Call("/s.A/M", [("x", "none"), ("x", "8")])) is compiled[8]
    assert bucket.first(Call("/s.A/M", [("x", "none")])) is compiled[-1]
    assert bucket.first(Call("/s.A/M")) is compiled[-1]


names = st.sampled_from(["x", "y"])
values = st.sampled_from(["", "1", "12", "2"])
exacts = st.builds(ValueMatch, name=names, exact=values)
others = st.builds(ValueMatch, name=names, prefix=values) | st.builds(ValueMatch, name=names, present=st.booleans())
matches = st.builds(
    RouteMatch,
    headers=st.lists(exacts | others, max_size=3).map(tuple),
    query=st.lists(exacts, max_size=1).map(tuple),
)
pairs = st.lists(st.tuples(names, values), max_size=4)


@given(st.lists(matches, min_size=1, max_size=25), pairs, pairs)
def test_the_first_that_is_met_is_found(
    found: list[RouteMatch], metadata: list[tuple[str, str]], query: list[tuple[str, str]]
) -> None:
    compiled = rules(*found)
    call = Call("/s.A/M", metadata, query="&".join(f"{name}={value}" for name, value in query))
    expected = next((rule for rule in sorted(compiled, key=lambda rule: rule.order) if rule.accepts(call)), None)
    bucket = bucket_of(compiled)
    assert (bucket.sure or bucket.first(call)) is expected
