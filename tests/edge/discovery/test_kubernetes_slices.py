"""EndpointSlices → addresses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.discovery.kubernetes_slices import PortChoice, Resolved, Slice, SlicePort, read_slice, resolve
from tests.support.kube_api import endpoint, endpoint_slice, recorded

ANY = PortChoice()


def found(*documents: dict[str, Any], choice: PortChoice = ANY) -> Resolved:
    return resolve([read_slice(document) for document in documents], choice)


def hosts(resolved: Resolved) -> list[str]:
    assert resolved.addresses is not None
    return [address.address for address in resolved.addresses]


@pytest.mark.parametrize(
    ("conditions", "usable", "draining"),
    [
        ({"ready": True}, True, False),
        ({"ready": None}, True, False),
        ({"ready": False}, False, False),
        ({"ready": True, "serving": True, "terminating": False}, True, False),
        # publishNotReadyAddresses: the pod terminates, and the service wants it all the same
        ({"ready": True, "serving": False, "terminating": True}, True, False),
        ({"ready": False, "serving": True, "terminating": True}, True, True),
        ({"ready": False, "serving": False, "terminating": True}, False, False),
        ({"ready": False, "serving": None, "terminating": True}, False, False),
        ({"ready": False, "serving": True, "terminating": False}, False, False),
        ({"ready": False, "serving": True, "terminating": None}, False, False),
    ],
)
def test_the_conditions_of_an_endpoint(conditions: dict[str, Any], usable: bool, draining: bool) -> None:
    resolved = found(endpoint_slice("a", endpoint("10.0.0.1", **conditions)))
    assert hosts(resolved) == (["10.0.0.1:50051"] if usable else [])
    if usable:
        assert resolved.addresses is not None
        assert resolved.addresses[0].draining is draining


@pytest.mark.parametrize("missing", ["conditions", "targetRef", "nodeName"])
def test_what_may_be_missing_or_null(missing: str) -> None:
    whole = endpoint("10.0.0.1", pod="p", node="n")
    for entry in (whole | {missing: None}, {key: value for key, value in whole.items() if key != missing}):
        assert hosts(found(endpoint_slice("a", entry))) == ["10.0.0.1:50051"]


def test_nothing_at_all_is_an_empty_set_with_a_reason() -> None:
    assert found() == Resolved((), ("it has no EndpointSlices: no such service, or no pod that it selects",))
    placeholder = endpoint_slice("a", ports=None) | {"endpoints": None}
    assert found(placeholder) == Resolved((), ("it has no endpoints",))
    # what is said of a port that no slice knows is not said of a service without pods
    assert found(placeholder, choice=PortChoice("grpc")) == Resolved((), ("it has no endpoints",))
    assert found(placeholder, choice=PortChoice(number=9)) == Resolved((), ("it has no endpoints",))
    unready = endpoint_slice("a", endpoint("10.0.0.1", ready=False), endpoint("10.0.0.2", ready=False))
    assert found(unready) == Resolved((), ("none of its 2 endpoints is ready",))


PORTS = [
    {"name": "grpc", "port": 50051, "protocol": "TCP"},
    {"name": "http", "port": 8080},
    {"name": "dns", "port": 53, "protocol": "UDP"},
]


@pytest.mark.parametrize(
    ("choice", "port"),
    [(PortChoice("grpc"), 50051), (PortChoice("http"), 8080), (PortChoice(number=8080), 8080)],
)
def test_a_port_is_found_by_name_or_number(choice: PortChoice, port: int) -> None:
    resolved = found(endpoint_slice("a", endpoint("10.0.0.1"), ports=PORTS), choice=choice)
    assert resolved == Resolved(resolved.addresses)
    assert hosts(resolved) == [f"10.0.0.1:{port}"]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (
            ANY,
            "it has several ports, `grpc` (50051), `http` (8080): say which with `port_name` or `port_number`",
        ),
        (PortChoice("rest"), "it has no TCP port with the name `rest`, but `grpc` (50051), `http` (8080)"),
        (PortChoice("dns"), "it has no TCP port with the name `dns`, but `grpc` (50051), `http` (8080)"),
        (
            PortChoice(number=80),
            "no endpoint has the port 80, but `grpc` (50051), `http` (8080); `port_number` is a port of the pods "
            "(targetPort), not of the service",
        ),
    ],
)
def test_a_port_that_is_not_clear_is_a_problem_and_no_empty_set(choice: PortChoice, words: str) -> None:
    resolved = found(endpoint_slice("a", endpoint("10.0.0.1"), ports=PORTS), choice=choice)
    assert resolved == Resolved(None, (words,))


def test_many_ports_are_not_all_named() -> None:
    ports = [{"name": f"p{number}", "port": number} for number in range(1, 9)]
    (problem,) = found(endpoint_slice("a", endpoint("10.0.0.1"), ports=ports)).problems
    assert "`p5` (5) and 3 more: say which" in problem


def test_a_port_without_a_name() -> None:
    for ports in ([{"port": 7}], [{"name": "", "port": 7, "protocol": None}], [{"name": None, "port": 7}]):
        assert hosts(found(endpoint_slice("a", endpoint("10.0.0.1"), ports=ports))) == ["10.0.0.1:7"]


def test_a_slice_whose_ports_are_not_restricted_needs_a_number() -> None:
    for ports in (None, [], [{"port": None}]):
        document = endpoint_slice("a", endpoint("10.0.0.1"), ports=ports)
        assert found(document).problems == ("its EndpointSlices name no TCP port: say `port_number`",)
        assert hosts(found(document, choice=PortChoice(number=9))) == ["10.0.0.1:9"]


def test_a_named_port_may_have_another_number_in_each_slice() -> None:
    resolved = found(
        endpoint_slice("a", endpoint("10.0.0.1")),
        endpoint_slice("b", endpoint("10.0.0.2"), ports=[{"name": "grpc", "port": 50052}]),
        endpoint_slice("c", endpoint("10.0.0.3"), ports=[{"name": "metrics", "port": 9}]),
        choice=PortChoice("grpc"),
    )
    assert hosts(resolved) == ["10.0.0.1:50051", "10.0.0.2:50052"]
    by_number = found(
        endpoint_slice("a", endpoint("10.0.0.1")),
        endpoint_slice("b", endpoint("10.0.0.2"), ports=[{"name": "grpc", "port": 50052}]),
        choice=PortChoice(number=50052),
    )
    assert hosts(by_number) == ["10.0.0.2:50052"]


def test_both_families_of_a_pod_are_one_endpoint() -> None:
    ipv4 = endpoint_slice("z4", endpoint("10.0.0.1", pod="one"), endpoint("10.0.0.9"))
    ipv6 = endpoint_slice(
        "a6",
        endpoint("fd00::1", pod="one"),
        endpoint("fd00:0::2", pod="two"),
        endpoint("fd00::3"),
        addressType="IPv6",
    )
    expected = ["10.0.0.1:50051", "10.0.0.9:50051", "[fd00::2]:50051", "[fd00::3]:50051"]
    assert hosts(found(ipv4, ipv6)) == expected
    assert hosts(found(ipv6, ipv4)) == expected
    assert hosts(found(ipv6)) == ["[fd00::1]:50051", "[fd00::2]:50051", "[fd00::3]:50051"]


def test_slices_of_names_are_refused_with_words_and_the_others_used() -> None:
    names = endpoint_slice("f", endpoint("db.example.com"), addressType="FQDN")
    words = "a slice with addresses of type `FQDN` is not used: only IPv4 and IPv6 are"
    resolved = found(names, endpoint_slice("a", endpoint("10.0.0.1")))
    assert (hosts(resolved), resolved.problems) == (["10.0.0.1:50051"], (words,))
    assert found(names).problems[0] == words


def test_an_address_that_is_none_is_left_out_and_said() -> None:
    resolved = found(endpoint_slice("a", endpoint("10.0.0.256"), endpoint("fd00::1"), endpoint("10.0.0.1")))
    assert hosts(resolved) == ["10.0.0.1:50051"]
    assert resolved.problems == ("`10.0.0.256` is no IPv4 address", "`fd00::1` is no IPv4 address")


def test_every_address_of_an_endpoint_is_one() -> None:
    document = endpoint_slice("a", endpoint("10.0.0.1") | {"addresses": ["10.0.0.2", "10.0.0.1"]})
    assert hosts(found(document)) == ["10.0.0.1:50051", "10.0.0.2:50051"]


def test_an_endpoint_in_two_slices_is_one_and_ready_if_one_says_so() -> None:
    leaving = endpoint_slice("a", endpoint("10.0.0.1", ready=False, serving=True, terminating=True))
    ready = endpoint_slice("b", endpoint("10.0.0.1", zone="z"))
    for documents in ((leaving, ready), (ready, leaving)):
        resolved = found(*documents)
        assert resolved.addresses is not None
        (address,) = resolved.addresses
        assert (address.draining, address.zone) == (False, "z")


def test_what_the_real_server_sends() -> None:
    first, second = recorded("list_page_1.json"), recorded("list_page_2.json")
    resolved = found(*first["items"], *second["items"])
    assert resolved.addresses is not None
    one, two = resolved.addresses
    assert (one.address, one.zone, one.draining) == ("10.1.0.1:50051", "zone-a", False)
    assert one.labels == (("pod", "checkout-checkout-1"), ("node", "node-1"))
    assert (two.address, two.draining) == ("10.1.0.2:50051", True)
    assert found(*recorded("list_empty.json")["items"]).addresses == ()
    assert read_slice(recorded("watch.jsonl")[2]["object"]) == Slice("", None, ())


CONDITION = st.sampled_from([None, True, False])
ENDPOINT = st.builds(
    lambda number, pod, ready, serving, terminating: endpoint(
        f"10.0.0.{number}", pod=pod, ready=ready, serving=serving, terminating=terminating
    ),
    st.integers(1, 6),
    st.sampled_from(["", "p", "q"]),
    CONDITION,
    CONDITION,
    CONDITION,
)
SLICES = st.lists(st.builds(lambda entries: endpoint_slice("s", *entries), st.lists(ENDPOINT, max_size=5)), max_size=4)


@given(SLICES, st.randoms(use_true_random=False))
def test_each_address_comes_once_whatever_the_order_of_the_slices(documents: list[dict[str, Any]], order: Any) -> None:
    resolved = found(*documents)
    addresses = hosts(resolved)
    assert addresses == sorted(set(addresses))
    shuffled = list(documents)
    order.shuffle(shuffled)
    again = found(*shuffled)
    assert again.addresses is not None
    assert resolved.addresses is not None
    assert [(one.address, one.draining) for one in again.addresses] == [
        (one.address, one.draining) for one in resolved.addresses
    ]


def test_the_ports_of_a_slice() -> None:
    assert read_slice(endpoint_slice("a", ports=PORTS)).ports == (SlicePort("grpc", 50051), SlicePort("http", 8080))
