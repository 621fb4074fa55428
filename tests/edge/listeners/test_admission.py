from __future__ import annotations

import pytest

from edge.listeners.admission import Admission
from edge.model.counters import Protections
from edge.model.settings import Limits


@pytest.fixture
def protections() -> Protections:
    return Protections()


@pytest.mark.usefixtures("loud")
def test_a_listener_takes_so_many_connections(protections: Protections) -> None:
    admission = Admission("traffic", Limits(max_connections=2), protections)
    assert [admission.enter("unix:") for _ in range(4)] == [True, True, False, False]
    assert protections.counts == {"connection_limit": 2}
    admission.leave()
    assert admission.enter("unix:")
    assert admission.count == 2


@pytest.mark.usefixtures("loud")
def test_an_address_has_so_many_of_them_whatever_the_port(protections: Protections) -> None:
    admission = Admission("traffic", Limits(max_connections_per_peer=2), protections)
    first = admission.claim("ipv6:[2001:db8::1]:1")
    assert first == "ipv6:[2001:db8::1]"
    assert admission.claim("ipv6:[2001:db8::1]:2") == first
    assert admission.claim("ipv6:[2001:db8::1]:3") is None
    assert admission.claim("ipv6:[2001:db8::2]:1") is not None
    assert protections.counts == {"peer_limit": 1}
    admission.release(first)
    assert admission.claim("ipv6:[2001:db8::1]:3") == first


def test_nothing_is_kept_of_addresses_that_left(protections: Protections) -> None:
    admission = Admission("traffic", Limits(max_connections_per_peer=2), protections)
    for number in range(1, 100):
        key = admission.claim(f"ipv4:10.0.0.{number}:1")
        assert key
        admission.release(key)
    assert not admission._of_peer


def test_without_limits_and_for_unix_sockets_nothing_is_refused(protections: Protections) -> None:
    free = Admission("traffic", Limits(), protections)
    assert all(free.enter("ipv4:10.0.0.1:1") for _ in range(1000))
    assert {free.claim("ipv4:10.0.0.1:1") for _ in range(1000)} == {""}
    limited = Admission("traffic", Limits(max_connections_per_peer=1), protections)
    assert {limited.claim("unix:") for _ in range(10)} == {""}
    limited.release("")
    assert protections.counts == {}
