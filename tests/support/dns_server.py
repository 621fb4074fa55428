"""A name server on loopback, whose records the test sets."""

from __future__ import annotations

import asyncio
import struct
from typing import Self, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

SILENCE = "SILENCE"
"""Instead of records: no answer at all."""


class DnsServer:
    """Answers by UDP, and by TCP what does not fit.

    A name that has no entry does not exist; one that has others than those asked for has no such records.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[int, list[str]] | str] = {}
        """By name and type: TTL and records in presentation form, or the name of an rcode, or `SILENCE`."""
        self.asked: list[tuple[str, str]] = []
        """The questions, in their order."""
        self.by_tcp = 0
        """How many of them came by TCP."""
        self.address = ("", 0)
        """Where it listens."""
        self._heard = asyncio.Event()

    def set(self, name: str, record_type: str, *records: str, ttl: int = 60) -> None:
        """Have these records."""
        self.records[name, record_type] = (ttl, list(records))

    def fail(self, name: str, record_type: str, how: str) -> None:
        """Answer with this rcode, or with `SILENCE`."""
        self.records[name, record_type] = how

    def answer(self, wire: bytes, *, most: int = 65535) -> bytes | None:
        """Return the answer to a question."""
        request = dns.message.from_wire(wire)
        question = request.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        self._heard.set()
        response = dns.message.make_response(request)
        response.flags |= dns.flags.AA | dns.flags.RA
        found = self.records.get((name, "CNAME")) or self.records.get((name, kind))
        if isinstance(found, str):
            if found == SILENCE:
                return None
            response.set_rcode(dns.rcode.from_text(found))
        elif found is not None:
            ttl, records = found
            is_alias = (name, "CNAME") in self.records
            response.answer.append(dns.rrset.from_text(name + ".", ttl, "IN", "CNAME" if is_alias else kind, *records))
            if is_alias:
                target = self.records[records[0].rstrip("."), kind]
                assert not isinstance(target, str)
                response.answer.append(dns.rrset.from_text(records[0], target[0], "IN", kind, *target[1]))
        elif not any(known == name for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        answer = response.to_wire()
        if len(answer) > most:
            short = dns.message.make_response(request)
            short.flags |= dns.flags.TC
            return short.to_wire()
        return answer

    async def question(self) -> None:
        """Return after the next question."""
        self._heard.clear()
        async with asyncio.timeout(10):
            await self._heard.wait()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = self._tcp.sockets[0].getsockname()[:2]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), self.address)
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._udp.close()
        self._tcp.close()
        await self._tcp.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            self.by_tcp += 1
            answer = self.answer(await reader.readexactly(length)) or b""
            writer.write(struct.pack("!H", len(answer)) + answer)
            await writer.drain()
        finally:
            writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if (answer := self._server.answer(data, most=1200)) is not None:
            self._transport.sendto(answer, addr)
