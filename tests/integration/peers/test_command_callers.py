"""nghttp, h2load and curl as callers of native gRPC, in clear text and by TLS with ALPN."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from probe import probe_pb2

from tests.integration.conftest import configuration
from tests.integration.peers.commands import Said, body_file, run, unframed
from tests.support.gateway import Admin, Gateway
from tests.support.probe_server import Probe
from tests.support.rpc import blob, echo, finish, headers, raw_script, send

pytestmark = pytest.mark.all

SERVICE = "/probe.v1.ProbeService"
GRPC = {"content-type": "application/grpc", "te": "trailers"}


@pytest.fixture(scope="module")
def folder_of_tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority and a certificate for localhost."""
    found = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(found / "ca.pem"))
    own = authority.issue_cert("localhost")
    own.cert_chain_pems[0].write_to_path(str(found / "cert.pem"))
    own.private_key_pem.write_to_path(str(found / "key.pem"))
    return found


@pytest.fixture(scope="module")
def secure(folder: Path, folder_of_tls: Path, probes: tuple[Probe, Probe]) -> Iterator[Gateway]:
    """A gateway with a port in clear text and one with TLS."""
    files = {"cert_file": str(folder_of_tls / "cert.pem"), "key_file": str(folder_of_tls / "key.pem")}
    listeners = [
        {"name": "traffic", "address": "127.0.0.1:0"},
        {"name": "http", "address": "localhost:0", "tls": {"certificates": [files]}},
    ]
    # what `nghttp --continuation` sends is 25 kB
    server = {"listeners": listeners, "limits": {"max_metadata_bytes": 65_536}}
    found = {**configuration(probes[0].address), "server": server}
    with Gateway("secure-gateway", folder, found) as gateway:
        yield gateway
        assert "Traceback" not in gateway.output()


@pytest.fixture(params=["clear", "tls"])
def origin(request: pytest.FixtureRequest, secure: Gateway) -> str:
    """Where calls go, as a URL."""
    if request.param == "clear":
        return f"http://{secure.traffic}"
    return f"https://localhost:{secure.http.rpartition(':')[2]}"


def options(fields: dict[str, str]) -> list[str]:
    """Return header fields as options; the programs agree on how."""
    return [word for name, value in fields.items() for word in ("-H", f"{name}: {value}")]


def blobs(said: Said) -> list[probe_pb2.Blob]:
    """Return the messages that a program was answered with."""
    assert said.code == 0, said.err
    return [probe_pb2.Blob.FromString(message) for message in unframed(said.out)]


# === curl ===


async def curl(origin: str, tls: Path, method: str, body: str, *more: str, fields: dict[str, str]) -> Said:
    """Make a call; the header fields of the answer, trailers included, are in `err`."""
    how = ["--cacert", str(tls / "ca.pem"), "--http2"] if origin.startswith("https") else ["--http2-prior-knowledge"]
    words = ["-sS", "--max-time", "30", "-D", "/dev/stderr", "--data-binary", f"@{body}", *options(GRPC | fields)]
    return await run("curl", *how, *words, *more, f"{origin}{SERVICE}/{method}")


async def test_curl(origin: str, folder_of_tls: Path, tmp_path: Path) -> None:
    metadata = dict(raw_script(headers((("x-first", "1"),)), send(3, 50_000)))
    body = body_file(tmp_path, blob(1).SerializeToString())
    said = await curl(origin, folder_of_tls, "RunServerStream", body, fields=metadata)
    assert [(message.number, len(message.data)) for message in blobs(said)] == [(n, 50_000) for n in range(3)]
    assert said.err.startswith("HTTP/2 200")
    assert re.search(r"^x-first: 1\r$", said.err, re.MULTILINE)
    assert re.search(r"^grpc-status: 0\r$", said.err, re.MULTILINE)


async def test_curl_is_told_of_errors(origin: str, folder_of_tls: Path, tmp_path: Path) -> None:
    body = body_file(tmp_path, blob().SerializeToString())
    said = await curl(origin, folder_of_tls, "RunUnary", body, fields=dict(raw_script(finish(10, "not now"))))
    assert blobs(said) == []
    assert re.search(r"^grpc-status: 10\r$", said.err, re.MULTILINE)
    assert re.search(r"^grpc-message: not now\r$", said.err, re.MULTILINE)


async def test_curl_with_a_large_message(origin: str, folder_of_tls: Path, tmp_path: Path) -> None:
    request = probe_pb2.Blob(number=3, data=os.urandom(3 * 1024 * 1024))
    body = body_file(tmp_path, request.SerializeToString())
    said = await curl(origin, folder_of_tls, "RunUnary", body, fields={})
    assert blobs(said) == [request]


# === nghttp ===


async def nghttp(origin: str, method: str, body: str, *more: str, fields: dict[str, str]) -> Said:
    """Make a call; what it writes with `-v` are the frames."""
    words = ["-H", ":method: POST", *options(GRPC | fields), "-d", body, *more]
    return await run("nghttp", "--timeout=30", *words, f"{origin}{SERVICE}/{method}")


@pytest.mark.parametrize(
    "how",
    [
        (),
        ("--padding=200",),
        ("--continuation",),
        ("--no-content-length",),
        ("--window-bits=10", "--connection-window-bits=16"),
        ("--header-table-size=0", "--encoder-header-table-size=0"),
        ("--header-table-size=256", "--header-table-size=8192"),
    ],
    ids=lambda how: how[0].lstrip("-") if how else "plain",
)
async def test_nghttp_in_all_its_ways(origin: str, tmp_path: Path, how: tuple[str, ...]) -> None:
    requests = [probe_pb2.Blob(number=number, data=os.urandom(30_000)) for number in range(5)]
    body = body_file(tmp_path, *(request.SerializeToString() for request in requests))
    said = await nghttp(origin, "RunBidi", body, *how, fields=dict(raw_script(echo())))
    assert blobs(said) == requests


async def test_nghttp_sees_trailers_and_no_error(origin: str, tmp_path: Path) -> None:
    body = body_file(tmp_path, blob(7).SerializeToString())
    said = await nghttp(origin, "RunServerStream", body, "-nv", fields=dict(raw_script(send(2))))
    assert said.code == 0, said.err
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said.text)
    assert "grpc-status: 0" in plain
    assert plain.index("recv DATA frame") < plain.index("grpc-status: 0")
    assert "recv RST_STREAM" not in plain
    assert "error_code=NO_ERROR(0x00)" in plain, "it says goodbye without complaint"


async def test_nghttp_with_many_calls_on_one_connection(origin: str, tmp_path: Path) -> None:
    body = body_file(tmp_path, blob(9, 1000).SerializeToString())
    said = await nghttp(origin, "RunUnary", body, "-m", "200", fields={})
    assert blobs(said) == [blob(9, 1000)] * 200


# === h2load ===


async def test_h2load(origin: str, secure: Gateway, tmp_path: Path) -> None:
    """It takes any answer for success: how many octets came tells that each was the right one."""
    count, message = 5000, blob(7, 100).SerializeToString()
    admin = Admin(secure.admin)
    before = (await admin.info()).total_calls
    words = ["-n", str(count), "-c", "5", "-m", "50", "-d", body_file(tmp_path, message), *options(GRPC)]
    said = await run("h2load", *words, f"{origin}{SERVICE}/RunUnary")
    assert said.code == 0, said.err
    assert f"{count} succeeded, 0 failed, 0 errored, 0 timeout" in said.text
    assert f"status codes: {count} 2xx" in said.text
    assert f"({count * (len(message) + 5)}) data" in said.text
    assert (await admin.info()).total_calls - before == count
    if origin.startswith("https"):
        assert "Application protocol: h2" in said.text
    await admin.channel.close()
