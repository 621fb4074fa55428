"""Which endpoints get the calls of which method."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.model.balancing import LoadBalancing, RoundRobinSettings
from edge.model.call import Call
from edge.model.endpoint import USABLE, Endpoint, EndpointAddress, EndpointState
from edge.model.schema import SchemaSet
from edge.upstream.narrowing import Narrowing, patterns, service_of
from tests.support.shop import SHOP, shop_file

GET, BUY, SELL = (f"/{SHOP}/{method}" for method in ("Get", "Buy", "Sell"))


def schema(*methods: str) -> SchemaSet:
    return SchemaSet.of([shop_file(*methods).SerializeToString()])


OLD, NEW = schema("Get"), schema("Get", "Buy")


def endpoints(count: int) -> list[Endpoint]:
    found = [Endpoint(EndpointAddress(f"h:{number}")) for number in range(count)]
    for endpoint in found:
        endpoint.enter(EndpointState.ACTIVE)
    return found


def narrowing(known: dict[Endpoint, SchemaSet | None]) -> Narrowing:
    found = Narrowing(RoundRobinSettings(), LoadBalancing())
    found.learn(known)
    found.update(list(known))
    return found


def picks(found: Narrowing, method: str) -> set[str] | None:
    narrow = found.find(method)
    if narrow is None:
        return None
    picked = [narrow.selection.pick(Call(method), 0.0) for _ in range(8)]
    return {endpoint.address for endpoint in picked if endpoint is not None}


def test_nothing_is_narrowed_while_all_are_alike() -> None:
    one, two = endpoints(2)
    found = narrowing({one: NEW, two: NEW})
    assert not found.active
    assert found.find(GET) is None
    assert not narrowing({one: NEW, two: None}).active, "nothing is known against the other one"


def test_a_new_method_goes_to_the_new_version_and_the_others_to_both() -> None:
    one, two, three = endpoints(3)
    found = narrowing({one: OLD, two: NEW, three: NEW})
    assert picks(found, BUY) == {"h:1", "h:2"}
    assert found.find(GET) is None
    assert found.find(SELL) is None, "nobody knows it: it goes to everybody"
    narrow = found.find(BUY)
    assert narrow is not None
    assert narrow.words == "1 of 3 endpoints left out that does not offer the method"
    # the upgrade ends
    found.learn({one: NEW})
    found.update([one, two, three])
    assert not found.active
    assert found.find(BUY) is None


def test_a_new_method_whose_only_endpoint_is_down_is_refused_and_says_so() -> None:
    one, two = endpoints(2)
    found = narrowing({one: OLD, two: NEW})
    two.enter(EndpointState.UNHEALTHY, "gone")
    found.update([one, two])
    narrow = found.find(BUY)
    assert narrow is not None
    assert picks(found, BUY) == set()
    assert narrow.refusal == "only 1 of its 2 endpoints offers the method, and none takes calls"
    # what is known of an endpoint that is down is not forgotten by a look at the others
    found.learn({one: OLD})
    found.update([one, two])
    assert picks(found, BUY) == set()
    # but it is when it leaves
    found.update([one])
    assert not found.active


def test_one_of_which_nothing_is_known_comes_second() -> None:
    one, two, three = endpoints(3)
    found = narrowing({one: OLD, two: NEW, three: None})
    assert picks(found, BUY) == {"h:1"}
    two.enter(EndpointState.UNHEALTHY, "gone")
    found.update([one, two, three])
    assert picks(found, BUY) == {"h:2"}


def test_a_service_that_cannot_be_described_may_have_the_method() -> None:
    one, two = endpoints(2)
    lacking = SchemaSet.of([], lacking={SHOP: "no file"})
    found = narrowing({one: NEW, two: lacking})
    assert not found.active


def test_a_service_that_does_not_serve_loses_its_methods_known_or_not() -> None:
    one, two = endpoints(2)
    one.not_serving = frozenset({SHOP})
    found = Narrowing(RoundRobinSettings(), LoadBalancing())
    found.update([one, two])
    assert picks(found, GET) == {"h:1"}
    assert picks(found, f"/{SHOP}/Whatever") == {"h:1"}
    assert found.find("/a.B/C") is None
    one.not_serving = frozenset()
    found.update([one, two])
    assert not found.active


def test_health_counts_before_reflection() -> None:
    one, two, three = endpoints(3)
    two.not_serving = frozenset({SHOP})
    found = narrowing({one: OLD, two: NEW, three: NEW})
    assert picks(found, BUY) == {"h:2"}
    assert picks(found, GET) == {"h:0", "h:2"}
    three.not_serving = frozenset({SHOP})
    found.update([one, two, three])
    assert picks(found, BUY) == {"h:0"}, "nobody else is left: schemas may be incomplete"


def test_balancers_go_on_where_they_were() -> None:
    one, two, three = endpoints(3)
    found = narrowing({one: OLD, two: NEW, three: NEW})
    before = found.find(BUY)
    one.enter(EndpointState.UNHEALTHY, "gone")
    found.update([one, two, three])
    after = found.find(BUY)
    assert before is not None
    assert after is not None
    assert before.selection is after.selection


def test_patterns_group_the_methods_that_go_the_same_way() -> None:
    sets = {one.hash: one for one in (OLD, NEW, schema("Get", "Buy", "Sell"))}
    found = patterns(sets)
    assert sorted(found.values()) == [[BUY], [SELL]]
    assert patterns({OLD.hash: OLD}) == {}
    assert service_of(GET) == SHOP


VERSIONS = [None, OLD, NEW, schema("Get", "Sell"), schema("Buy", "Sell")]


@given(
    st.lists(
        st.tuples(st.sampled_from(VERSIONS), st.booleans(), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
def test_no_call_goes_where_it_is_known_to_fail_while_there_is_another_way(
    kinds: list[tuple[SchemaSet | None, bool, bool]],
) -> None:
    known: dict[Endpoint, SchemaSet | None] = {}
    for endpoint, (offered, up, serves) in zip(endpoints(len(kinds)), kinds, strict=True):
        known[endpoint] = offered
        if not up:
            endpoint.enter(EndpointState.UNHEALTHY, "gone")
        if not serves:
            endpoint.not_serving = frozenset({SHOP})
    found = narrowing(known)
    usable = [one for one in known if one.state in USABLE]
    serving = [one for one in usable if not one.not_serving]
    for method in (GET, BUY, SELL):
        picked = picks(found, method)
        if picked is None:
            picked = {one.address for one in usable}
        sure = {one.address for one in serving if (offered := known[one]) is not None and method in offered.methods}
        lacking = {
            one.address for one in serving if (offered := known[one]) is not None and method not in offered.methods
        }
        assert picked <= {one.address for one in serving}
        if sure:
            assert sure <= picked
            assert not (picked & lacking)
