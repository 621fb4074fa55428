"""What Consul says of a service, as addresses. The entries are those of a real agent (1.8.7), cut."""

from __future__ import annotations

from typing import Any

from edge.discovery.consul_instances import instances
from edge.model.endpoint import EndpointAddress


def entry(
    name: str,
    address: str = "",
    port: object = 50051,
    *,
    statuses: tuple[str, ...] = ("passing", "passing"),
    tags: tuple[str, ...] | None = ("v1",),
    weights: object = None,
    **service: object,
) -> dict[str, Any]:
    return {
        "Node": {"ID": "x", "Node": "n1", "Address": "10.0.0.9", "Meta": {"zone": "east"}},
        "Service": {
            "ID": name,
            "Service": "shop",
            "Tags": None if tags is None else list(tags),
            "Address": address,
            "Meta": {"version": "2"},
            "Port": port,
            "Weights": {"Passing": 1, "Warning": 1} if weights is None else weights,
            **service,
        },
        "Checks": [{"CheckID": str(index), "Status": status} for index, status in enumerate(statuses)],
    }


def test_an_instance_without_an_address_has_that_of_its_node() -> None:
    found = instances([entry("a"), entry("b", "10.0.0.2"), entry("c", "fd00::1")])
    labels = (("node", "n1"), ("version", "2"))
    assert found.addresses == (
        EndpointAddress("10.0.0.2:50051", 1, "east", labels=labels),
        EndpointAddress("10.0.0.9:50051", 1, "east", labels=labels),
        EndpointAddress("[fd00::1]:50051", 1, "east", labels=labels),
    )


def test_a_critical_check_of_the_service_or_the_node_takes_it_out() -> None:
    found = instances([entry("a", statuses=("passing", "critical")), entry("b", "1.2.3.4", statuses=("critical",))])
    assert (found.addresses, found.critical, found.others) == ((), 2, ())


def test_a_warning_has_its_own_weight() -> None:
    weights = {"Passing": 10, "Warning": 2}
    found = instances(
        [entry("a", "1.1.1.1", weights=weights), entry("b", "2.2.2.2", weights=weights, statuses=("warning",))]
    )
    assert [one.weight for one in found.addresses] == [10, 2]


def test_a_weight_of_zero_and_a_bad_address_are_left_out_and_said() -> None:
    found = instances(
        [
            entry("a", "1.1.1.1", weights={"Passing": 0}),
            entry("b", "2.2.2.2", 0),
            entry("c", "two words"),
            entry("d", "4.4.4.4", "80"),
        ]
    )
    assert found.addresses == ()
    assert found.others == (
        "instance a at 1.1.1.1:50051 has the weight 0",
        "instance b has no usable address and port",
        "instance c has no usable address and port",
        "instance d has no usable address and port",
    )


def test_every_tag_has_to_be_there() -> None:
    entries = [entry("a", "1.1.1.1", tags=("v1", "blue")), entry("b", "2.2.2.2"), entry("c", "3.3.3.3", tags=None)]
    assert [one.address for one in instances(entries, ("v1", "blue")).addresses] == ["1.1.1.1:50051"]


def test_a_locality_is_the_zone() -> None:
    assert instances([entry("a", Locality={"Region": "r", "Zone": "west"})]).addresses[0].zone == "west"


def test_two_instances_at_one_address_are_one_endpoint() -> None:
    assert len(instances([entry("a", "1.1.1.1"), entry("b", "1.1.1.1")]).addresses) == 1


def test_what_is_no_entry_is_no_instance() -> None:
    assert instances([None, 3, {}, {"Service": []}]).addresses == ()
