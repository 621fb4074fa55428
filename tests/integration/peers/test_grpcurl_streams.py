"""grpcurl as a caller of streams, with metadata, deadlines, large messages and TLS."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from tests.integration.conftest import Target, configuration, learn, make_target
from tests.integration.peers.commands import Said, run
from tests.support.gateway import Gateway
from tests.support.probe_server import Probe
from tests.support.rpc import PROBE_SERVICE, Metadata, call_id, echo, finish, hang, raw_script, read, script, send

GRPCURL = str(Path(sys.prefix) / "bin" / "grpcurl")
CLEAR = ("-plaintext",)


@pytest.fixture(scope="module")
def address(gateway: Gateway) -> str:
    """A gateway that describes its service by reflection, which grpcurl asks."""
    return gateway.traffic


@pytest_asyncio.fixture(loop_scope="session")
async def direct(request: pytest.FixtureRequest, probes: tuple[Probe, Probe]) -> AsyncIterator[Target]:
    """The server behind it."""
    async for found in make_target("direct", probes, request):
        yield found


async def grpcurl(
    address: str, method: str, *requests: dict[str, Any], metadata: Metadata = (), more: tuple[str, ...] = CLEAR
) -> Said:
    """Make a call."""
    words = []
    for name, value in metadata:
        text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
        words += ["-H", f"{name}: {text}"]
    body = " ".join(map(json.dumps, requests))
    return await run(GRPCURL, "-d", body, *words, *more, address, f"{PROBE_SERVICE.full_name}/{method}")


def answers(said: Said) -> list[Any]:
    """Return the messages that it wrote, of a call that went well."""
    assert said.code == 0, said.err
    found, text, decoder = [], said.text.strip(), json.JSONDecoder()
    while text:
        message, end = decoder.raw_decode(text)
        found.append(message)
        text = text[end:].strip()
    return found


async def test_streams_of_every_kind(address: str) -> None:
    numbers = [{"number": str(number)} for number in range(1, 4)]
    said = await grpcurl(address, "RunServerStream", {}, metadata=script(send(4)))
    assert [int(answer.get("number", 0)) for answer in answers(said)] == [0, 1, 2, 3]
    said = await grpcurl(address, "RunClientStream", *numbers, metadata=script(read()))
    assert answers(said) == numbers[-1:]
    assert answers(await grpcurl(address, "RunBidi", *numbers, metadata=script(echo()))) == numbers


async def test_metadata_and_trailers_both_ways(address: str) -> None:
    bits = bytes(range(256))
    said = await grpcurl(address, "Inspect", {}, metadata=(("x-mine", "one"), ("x-bits-bin", bits)))
    found = {entry["key"]: base64.b64decode(entry["value"]) for entry in answers(said)[0]["metadata"]}
    assert (found["x-mine"], found["x-bits-bin"]) == (b"one", bits)
    metadata = script(trailing=(("x-last", "2"), ("x-last-bin", bits)))
    said = await grpcurl(address, "RunUnary", {}, metadata=metadata, more=(*CLEAR, "-v"))
    assert said.code == 0, said.err
    trailers = said.text.partition("Response trailers received:")[2]
    assert "x-last: 2" in trailers
    assert f"x-last-bin: {base64.b64encode(bits).decode()}" in trailers


async def test_errors_with_details(address: str) -> None:
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason="OUT_OF_STOCK", domain="peers.test"))
    status = status_pb2.Status(code=9, message="„Bücher“ 本", details=[detail])
    trailing = (("grpc-status-details-bin", status.SerializeToString()),)
    metadata = script(finish(9, "„Bücher“ 本"), trailing=trailing)
    said = await grpcurl(address, "RunUnary", {}, metadata=metadata)
    assert said.code != 0
    assert "Code: FailedPrecondition" in said.err
    assert "Message: „Bücher“ 本" in said.err
    assert "OUT_OF_STOCK" in said.err


async def test_a_deadline(address: str) -> None:
    said = await grpcurl(address, "RunUnary", {}, metadata=script(hang()), more=(*CLEAR, "-max-time", "0.5"))
    assert said.code != 0
    assert "DeadlineExceeded" in said.err


async def test_a_large_message(address: str) -> None:
    data = base64.b64encode(os.urandom(4000)).decode()
    request = {"number": "1", "data": data}
    assert answers(await grpcurl(address, "RunBidi", *[request] * 20, metadata=script(echo()))) == [request] * 20
    more = (*CLEAR, "-max-msg-sz", str(8 * 1024 * 1024))
    (answer,) = answers(
        await grpcurl(address, "RunServerStream", {}, metadata=script(send(1, 3 * 1024 * 1024)), more=more)
    )
    assert len(base64.b64decode(answer["data"])) == 3 * 1024 * 1024


async def test_a_caller_that_is_killed_has_cancelled_its_call(direct: Target, gateway: Gateway) -> None:
    this = call_id("killed")
    words = [word for name, value in raw_script(send(1), hang(), call=this) for word in ("-H", f"{name}: {value}")]
    process = await asyncio.create_subprocess_exec(
        *(GRPCURL, *CLEAR, "-d", "{}", *words, gateway.traffic, f"{PROBE_SERVICE.full_name}/RunServerStream"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            assert await process.stdout.readuntil(b"}")
    finally:
        process.kill()
        await process.communicate()
    assert (await direct.seen(this, cancelled=True)).cancelled


@pytest.fixture(scope="module")
def guarded(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, probes: tuple[Probe, Probe]
) -> Iterator[tuple[str, str]]:
    """The address of a gateway with TLS, and the file of its authority."""
    found = tmp_path_factory.mktemp("grpcurl")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(found / "ca.pem"))
    own = authority.issue_cert("localhost")
    own.cert_chain_pems[0].write_to_path(str(found / "cert.pem"))
    own.private_key_pem.write_to_path(str(found / "key.pem"))
    files = {"cert_file": str(found / "cert.pem"), "key_file": str(found / "key.pem")}
    listener = {"name": "traffic", "address": "localhost:0", "tls": {"certificates": [files]}}
    settings = {**configuration(probes[0].address), "server": {"listeners": [listener]}}
    with Gateway("grpcurl-gateway", folder, settings) as gateway:
        learn(gateway.admin, PROBE_SERVICE.full_name)
        yield f"localhost:{gateway.traffic.rpartition(':')[2]}", str(found / "ca.pem")


async def test_tls(guarded: tuple[str, str]) -> None:
    address, authority = guarded
    said = await grpcurl(address, "RunServerStream", {}, metadata=script(send(3)), more=("-cacert", authority))
    assert len(answers(said)) == 3
