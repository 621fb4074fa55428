"""DNS discovery against a real name server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.discovery.dns import DnsSource
from edge.discovery.dns_client import DnsClient, UnresolvedError
from edge.model.discovery import DnsDiscovery, RecordType
from tests.support.dns_server import SILENCE, DnsServer

HOST = "shop.test"
SERVICE = "_grpc._tcp.shop.test"
PLAIN = DnsDiscovery(hostname=HOST, port=80)
SRV = DnsDiscovery(hostname=SERVICE, record_type=RecordType.SRV)


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer() as running:
        yield running


async def nothing(host: str) -> tuple[str, ...]:
    raise OSError(f"nothing known of {host}")


def client(server: DnsServer, lifetime: float = 5.0, hosts: Path = Path("/nowhere")) -> DnsClient:
    return DnsClient(nameservers=[server.address], hosts_file=hosts, system=nothing, lifetime=lifetime)


def source(server: DnsServer, discovery: DnsDiscovery = PLAIN, lifetime: float = 5.0) -> DnsSource:
    return DnsSource(discovery, client(server, lifetime), draw=lambda: 0.0)


def shown(source: DnsSource) -> list[str]:
    return [one.address for one in source.found.value.addresses]


async def test_both_families_and_the_smaller_ttl(server: DnsServer) -> None:
    server.set(HOST, "A", "10.0.0.2", "10.0.0.1", ttl=40)
    server.set(HOST, "AAAA", "::2", ttl=30)
    made = source(server)
    state = made.found.value.state
    assert (state.ok, state.success_time, state.error) == (False, None, "shop.test has not been resolved yet")
    assert await made.look() == 30.0
    assert shown(made) == ["10.0.0.1:80", "10.0.0.2:80", "[::2]:80"]
    state = made.found.value.state
    assert (state.ok, state.error, state.failures) == (True, "", 0)
    assert state.success_time is not None


async def test_the_ttl_of_an_alias_counts(server: DnsServer) -> None:
    server.set(HOST, "CNAME", "real.test.", ttl=7)
    server.set("real.test", "A", "10.0.0.1", ttl=300)
    server.set("real.test", "AAAA", "::1", ttl=300)
    made = source(server)
    assert await made.look() == 7.0
    assert shown(made) == ["10.0.0.1:80", "[::1]:80"]


async def test_an_answer_that_does_not_fit_comes_by_tcp(server: DnsServer) -> None:
    server.set(HOST, "A", *(f"10.0.{n // 250}.{n % 250 + 1}" for n in range(500)))
    made = source(server)
    await made.look()
    assert len(made.found.value.addresses) == 500
    assert server.by_tcp == 1


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("NXDOMAIN", "there is no such name (NXDOMAIN); mend its zone or `dns.hostname`"),
        ("NOERROR", "the name has no A records; mend its zone, `dns.hostname` or `dns.record_type`"),
        ("SERVFAIL", "answered SERVFAIL; check the name servers of /etc/resolv.conf"),
        ("REFUSED", "answered REFUSED; check the name servers of /etc/resolv.conf"),
        (SILENCE, "gave no answer in time; check the name servers of /etc/resolv.conf"),
    ],
)
async def test_a_negative_answer_keeps_the_endpoints_and_is_told(server: DnsServer, how: str, words: str) -> None:
    server.set(HOST, "A", "10.0.0.1", "10.0.0.2")
    made = source(server, lifetime=0.3)
    await made.look()
    before = made.found.value
    server.fail(HOST, "A", how)
    server.fail(HOST, "AAAA", how)
    assert [await made.look() for _ in range(4)] == [1.0, 2.0, 4.0, 8.0]
    found = made.found.value
    assert found.addresses == before.addresses
    assert (found.state.ok, found.state.failures) == (False, 4)
    assert found.state.success_time == before.state.success_time
    assert found.state.error.startswith("DNS, A and AAAA of shop.test: ")
    assert words in found.state.error
    assert found.state.error.endswith("; the 2 endpoints known before stay")

    server.set(HOST, "A", "10.0.0.3")
    server.set(HOST, "AAAA", "::3")
    assert await made.look() == 60.0
    assert (shown(made), made.found.value.state.ok) == (["10.0.0.3:80", "[::3]:80"], True)


async def test_a_failure_without_endpoints_says_nothing_of_them(server: DnsServer) -> None:
    made = source(server)
    assert await made.look() == 1.0
    assert made.found.value.state.error == (
        "DNS, A and AAAA of shop.test: there is no such name (NXDOMAIN); mend its zone or `dns.hostname`"
    )


async def test_a_family_that_is_not_answered_keeps_its_addresses(server: DnsServer) -> None:
    server.set(HOST, "A", "10.0.0.1")
    server.set(HOST, "AAAA", "::1")
    made = source(server)
    await made.look()
    server.set(HOST, "A", "10.0.0.2")
    server.fail(HOST, "AAAA", "SERVFAIL")
    assert await made.look() == 1.0
    assert shown(made) == ["10.0.0.2:80", "[::1]:80"]
    assert not made.found.value.state.ok
    assert "AAAA: name server" in made.found.value.state.error
    del server.records[HOST, "AAAA"]
    assert await made.look() == 60.0
    assert (shown(made), made.found.value.state.ok) == (["10.0.0.2:80"], True)


async def test_a_server_that_cannot_answer_for_a_family_nobody_has_is_no_failure(server: DnsServer) -> None:
    server.set(HOST, "A", "10.0.0.1")
    server.fail(HOST, "AAAA", "SERVFAIL")
    made = source(server)
    assert await made.look() == 60.0
    assert made.found.value.state.ok


async def test_bad_records_are_left_out_and_told(server: DnsServer) -> None:
    server.set(HOST, "A", "10.0.0.1", "0.0.0.0")
    made = source(server)
    assert await made.look() == 60.0
    assert shown(made) == ["10.0.0.1:80"]
    assert "0.0.0.0 is no address that calls can be sent to" in made.found.value.state.error


async def test_srv_records_of_the_most_wanted_priority(server: DnsServer) -> None:
    server.set(SERVICE, "SRV", "10 3 8001 a.test.", "10 1 8002 b.test.", "20 1 9000 c.test.", ttl=50)
    for host, address in (("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c", "10.0.0.3")):
        server.set(f"{host}.test", "A", address, ttl=20)
    made = source(server, SRV)
    assert await made.look() == 20.0
    assert [(one.address, one.weight) for one in made.found.value.addresses] == [
        ("10.0.0.1:8001", 3),
        ("10.0.0.2:8002", 1),
    ]
    assert ("c.test", "A") not in server.asked


async def test_the_next_priority_serves_while_no_host_of_the_first_resolves(server: DnsServer) -> None:
    server.set(SERVICE, "SRV", "10 1 8001 a.test.", "20 1 9000 c.test.")
    server.set("c.test", "A", "10.0.0.3")
    made = source(server, SRV)
    assert await made.look() == 1.0
    assert shown(made) == ["10.0.0.3:9000"]
    assert "a.test: there is no such name (NXDOMAIN)" in made.found.value.state.error
    server.set("a.test", "A", "10.0.0.1")
    assert await made.look() == 60.0
    assert (shown(made), made.found.value.state.ok) == (["10.0.0.1:8001"], True)


async def test_a_host_that_is_not_answered_keeps_its_priority(server: DnsServer) -> None:
    server.set(SERVICE, "SRV", "10 1 8001 a.test.", "20 1 9000 c.test.")
    server.set("a.test", "A", "10.0.0.1")
    server.set("c.test", "A", "10.0.0.3")
    made = source(server, SRV)
    await made.look()
    server.fail("a.test", "A", "SERVFAIL")
    server.fail("a.test", "AAAA", "SERVFAIL")
    assert await made.look() == 1.0
    assert shown(made) == ["10.0.0.1:8001"]
    assert "SERVFAIL" in made.found.value.state.error


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (["0 0 0 ."], "the service is not there"),
        (["1 1 80 a.test."], "a.test: there is no such name"),
        ([], "NXDOMAIN"),
    ],
)
async def test_srv_records_that_lead_nowhere(server: DnsServer, records: list[str], words: str) -> None:
    if records:
        server.set(SERVICE, "SRV", *records)
    made = source(server, SRV)
    assert await made.look() == 1.0
    assert words in made.found.value.state.error


async def test_it_asks_again_when_the_time_of_the_records_is_over(server: DnsServer) -> None:
    server.set(HOST, "A", "10.0.0.1", ttl=0)
    made = source(server)
    made.start()
    try:
        async with asyncio.timeout(10):
            async for found in made.found.follow():
                if found.addresses and found.addresses[0].address == "10.0.0.1:80":
                    server.set(HOST, "A", "10.0.0.2", ttl=0)
                elif found.addresses:
                    break
    finally:
        await made.close()
    asked = len(server.asked)
    await asyncio.sleep(0)
    assert len(server.asked) == asked


async def test_an_ip_address_is_never_asked_for(server: DnsServer) -> None:
    for name, expected in (("10.0.0.9", "10.0.0.9:80"), ("::1", "[::1]:80")):
        made = source(server, DnsDiscovery(hostname=name, port=80))
        assert await made.look() is None
        assert (shown(made), made.found.value.state.ok) == ([expected], True)
    assert server.asked == []


async def test_the_hosts_file_and_localhost_come_first(server: DnsServer, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.7 shop.test shop # 127.0.0.8 other.test\n::7\tSHOP.test\nfe80::1%lo0 x\nrubbish\n")
    asking = client(server, hosts=hosts)
    for name, addresses in (
        ("shop.test", ("127.0.0.7", "::7")),
        ("Shop.Test.", ("127.0.0.7", "::7")),
        ("localhost", ("127.0.0.1", "::1")),
        ("a.localhost", ("127.0.0.1", "::1")),
    ):
        known = asking.known(name)
        assert known is not None
        assert (known.addresses, known.ttl) == (addresses, 10.0)
    assert asking.known("other.test") is None
    made = DnsSource(PLAIN, asking)
    assert await made.look() == 10.0
    assert shown(made) == ["127.0.0.7:80", "[::7]:80"]
    assert server.asked == []


async def test_a_name_only_the_system_knows(server: DnsServer) -> None:
    async def system(host: str) -> tuple[str, ...]:
        return ("10.9.9.9",) if host == "printer.local" else await nothing(host)

    asking = DnsClient(nameservers=[server.address], hosts_file=Path("/nowhere"), system=system)
    made = DnsSource(DnsDiscovery(hostname="printer.local", port=80), asking)
    assert await made.look() == 10.0
    assert shown(made) == ["10.9.9.9:80"]


async def test_the_resolver_of_the_system_resolves_this_machine() -> None:
    assert "127.0.0.1" in (await DnsClient().of_system("localhost")).addresses


async def test_questions_at_the_same_time_are_bounded(server: DnsServer) -> None:
    asking = client(server, lifetime=0.5)
    names = [f"h{number}.test" for number in range(40)]
    for name in names:
        server.fail(name, "A", SILENCE)

    async def ask(name: str) -> None:
        with pytest.raises(UnresolvedError):
            await asking.addresses(name, "A")

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(ask(name))
        await server.question()
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(set(server.asked)) <= 16
    assert {name for name, _ in server.asked} == set(names)
