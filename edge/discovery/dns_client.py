"""Asks for the records of a name: what this machine knows by itself, name servers, and last the system's resolver."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver

from edge.discovery.dns_records import Service

LIFETIME: Final = 5.0
"""The seconds a question may take, all name servers and tries included."""

_TRY: Final = 2.0
"""The seconds one name server has for an answer, before another one is asked."""

_AT_ONCE: Final = 16
"""The most questions under way at the same time."""

LOCAL_TTL: Final = 10.0
"""The seconds for which the hosts file and the system's resolver are believed; neither tells a TTL."""

_LARGEST_HOSTS_FILE: Final = 1 << 20


class Missing(enum.Enum):
    """Why there are no records."""

    NAME = "the name does not exist"
    RECORDS = "the name has no such records"
    SERVERS = "there is nobody to ask"
    ANSWER = "asking failed"


class UnresolvedError(Exception):
    """There are no records.

    Args:
        words: What went wrong and how to mend it, for people.
        missing: Why.
    """

    def __init__(self, words: str, missing: Missing) -> None:
        super().__init__(words)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of a host."""

    addresses: tuple[str, ...]
    """IP addresses, without brackets."""

    ttl: float | None
    """The seconds for which they hold. None means for ever."""


@dataclass(frozen=True, slots=True)
class Services:
    """The SRV records of a name."""

    services: tuple[Service, ...]
    """The records."""

    ttl: float
    """The seconds for which they hold."""


async def _system(host: str) -> tuple[str, ...]:
    """Ask the resolver of the system, in a thread, which knows mDNS, NIS and what else is configured there."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


class DnsClient:
    """Asks for records. One is shared by all sources, so that their questions together are bounded.

    Args:
        nameservers: Who to ask, each an IP address and a port. Empty means those of `/etc/resolv.conf`, with its search
            list; the file is read again for each question.
        hosts_file: The names this machine knows by itself, which come first.
        system: Asks the resolver of the system for a host that name servers do not know.
        lifetime: The seconds a question may take.
    """

    def __init__(
        self,
        *,
        nameservers: Sequence[tuple[str, int]] = (),
        hosts_file: Path = Path("/etc/hosts"),
        system: Callable[[str], Awaitable[tuple[str, ...]]] = _system,
        lifetime: float = LIFETIME,
    ) -> None:
        self._nameservers = tuple(nameservers)
        self._hosts_file = hosts_file
        self._system = system
        self._lifetime = lifetime
        self._room = asyncio.Semaphore(_AT_ONCE)

    def known(self, host: str) -> Addresses | None:
        """Return what needs no question: IP addresses, names of the hosts file, and `localhost` (RFC 6761, 6.3)."""
        with contextlib.suppress(ValueError):
            return Addresses((str(ipaddress.ip_address(host.strip("[]"))),), None)
        folded = host.lower().rstrip(".")
        if found := _of_hosts_file(self._hosts_file, folded):
            return Addresses(found, LOCAL_TTL)
        if folded == "localhost" or folded.endswith(".localhost"):
            return Addresses(("127.0.0.1", "::1"), LOCAL_TTL)
        return None

    async def addresses(self, host: str, record_type: str) -> Addresses:
        """Ask name servers for the `A` or `AAAA` records of a host.

        Raises:
            UnresolvedError: there are none.
        """
        answer = await self._ask(host, record_type)
        return Addresses(tuple(str(record.address) for record in answer), _ttl(answer))

    async def services(self, name: str) -> Services:
        """Ask name servers for the SRV records of a name.

        Raises:
            UnresolvedError: there are none.
        """
        answer = await self._ask(name, "SRV")
        return Services(
            tuple(
                Service(record.priority, record.weight, record.port, record.target.to_text(omit_final_dot=True))
                for record in answer
                # `.` stands for a service that is not there
                if len(record.target.labels) > 1
            ),
            _ttl(answer),
        )

    async def of_system(self, host: str) -> Addresses:
        """Ask the resolver of the system for a host.

        Raises:
            UnresolvedError: it does not know the host either.
        """
        try:
            async with self._room, asyncio.timeout(self._lifetime):
                found = await self._system(host)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise UnresolvedError(f"the resolver of the system does not know it: {error}", Missing.NAME) from error
        return Addresses(found, LOCAL_TTL)

    def _resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
        if self._nameservers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._nameservers]
        resolver.timeout = min(_TRY, self._lifetime)
        resolver.lifetime = self._lifetime
        return resolver

    async def _ask(self, name: str, record_type: str) -> Any:
        """Return the `dns.resolver.Answer`, whose records have attributes by type."""
        try:
            async with self._room:
                return await self._resolver().resolve(
                    name,
                    record_type,
                    search=not self._nameservers,
                    backend=dns.asyncbackend.get_backend("asyncio"),
                )
        except dns.resolver.NXDOMAIN as error:
            words = "there is no such name (NXDOMAIN); mend its zone or `dns.hostname`"
            raise UnresolvedError(words, Missing.NAME) from error
        except dns.resolver.NoAnswer as error:
            words = f"the name has no {record_type} records; mend its zone, `dns.hostname` or `dns.record_type`"
            raise UnresolvedError(words, Missing.RECORDS) from error
        except dns.resolver.NoResolverConfiguration as error:
            words = "no name server is configured; name one in /etc/resolv.conf"
            raise UnresolvedError(words, Missing.SERVERS) from error
        except (dns.resolver.NoNameservers, dns.resolver.LifetimeTimeout) as error:
            words = f"{_said(error.kwargs.get('errors', ()))}; check the name servers of /etc/resolv.conf"
            raise UnresolvedError(words, Missing.ANSWER) from error
        except (dns.exception.DNSException, OSError, EOFError) as error:
            words = f"{str(error) or type(error).__name__}; check `dns.hostname` and the name servers"
            raise UnresolvedError(words, Missing.ANSWER) from error


def _ttl(answer: Any) -> float:
    """Return the least TTL on the way to the records, aliases included."""
    return float(answer.chaining_result.minimum_ttl)


def _said(errors: Sequence[Any]) -> str:
    """Return what each name server said at last: entries of (server, tcp, port, exception or text, response)."""
    last: dict[str, str] = {}
    for server, _, _, error, _ in errors:
        timeout = isinstance(error, dns.exception.Timeout)
        # as dnspython says it, `Do53:10.0.0.53@53`
        host, _, port = str(server).removeprefix("Do53:").rpartition("@")
        words = "gave no answer in time" if timeout else f"answered {str(error) or type(error).__name__}"
        last[f"{host} port {port}"] = words
    return ", ".join(f"name server {server} {words}" for server, words in last.items()) or "no name server answered"


def _of_hosts_file(path: Path, host: str) -> tuple[str, ...]:
    """Return the addresses of a host by hosts(5). A file that cannot be read knows none."""
    found: dict[str, None] = {}
    with contextlib.suppress(OSError), path.open(errors="replace") as file:
        for line in file.read(_LARGEST_HOSTS_FILE).splitlines():
            address, *names = line.partition("#")[0].split() or ("",)
            if host in (name.lower().rstrip(".") for name in names):
                with contextlib.suppress(ValueError):
                    found[str(ipaddress.ip_address(address.partition("%")[0]))] = None
    return tuple(found)
