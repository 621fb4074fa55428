"""A gateway in front of the bookstore and the probe server, and Node programs that call it (tests/clients)."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from probe import probe_pb2

from bookstore.v1 import bookstore_pb2
from tests.integration.conftest import learn
from tests.support.bookstore import Bookstore
from tests.support.gateway import Gateway, route, upstream
from tests.support.probe_server import Probe
from tests.support.processes import ROOT
from tests.support.rpc import PROBE_SERVICE

CLIENTS = ROOT / "tests" / "clients"
BOOKSTORE = "bookstore.v1.BookstoreService"
LONGEST = 90.0
"""The seconds a program may take."""

Run = Callable[..., str]


@pytest.fixture(scope="session")
def bookstore() -> Iterator[Bookstore]:
    """A bookstore named `one`."""
    with Bookstore("one") as found:
        yield found


@pytest.fixture(scope="session")
def public(folder: Path, bookstore: Bookstore, probes: tuple[Probe, Probe]) -> Iterator[Gateway]:
    """A gateway that pages of `http://127.0.0.1`, on any port, may call."""
    common = {"transcoding": {}, "policies": ["policies/pages"]}
    cors = {
        "allow_origins": ["http://127.0.0.1:*"],
        "expose_headers": ["x-served-by"],
    }
    configuration = {
        "policies": [{"name": "policies/pages", "cors": cors}],
        "upstreams": [upstream("bookstore", bookstore.address), upstream("probe", probes[0].address)],
        "routes": [
            route("bookstore", BOOKSTORE, "bookstore", **common),
            route("probe", PROBE_SERVICE.full_name, "probe", **common),
        ],
    }
    with Gateway("public-gateway", folder, configuration) as gateway:
        learn(gateway.admin, BOOKSTORE, PROBE_SERVICE.full_name)
        wait_offered(gateway, "/v1/shelves")
        yield gateway


def wait_offered(gateway: Gateway, path: str, within: float = 20) -> None:
    """Wait until a path answers: what was learnt is compiled a moment later."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://{gateway.http}{path}", timeout=within):
                return
        except urllib.error.HTTPError as error:
            error.close()
            time.sleep(0.02)
    raise AssertionError(f"{path} is not served within {within:g} s")


@pytest.fixture(scope="session")
def descriptors(folder: Path) -> Path:
    """A file with a FileDescriptorSet of all that the clients speak."""
    found: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    pool = descriptor_pool.Default()

    def add(name: str) -> None:
        if name in found:
            return
        file = pool.FindFileByName(name)
        for dependency in file.dependencies:
            add(dependency.name)
        found[name] = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(found[name])
        for message in found[name].message_type:
            add_json_names(message)

    for module in (bookstore_pb2, probe_pb2, health_pb2, reflection_pb2, error_details_pb2, status_pb2):
        add(module.DESCRIPTOR.name)
    path = folder / "clients.binpb"
    path.write_bytes(descriptor_pb2.FileDescriptorSet(file=found.values()).SerializeToString())
    return path


def add_json_names(message: descriptor_pb2.DescriptorProto) -> None:
    """Add what protoc writes, this runtime leaves out, and others count on."""
    for field in message.field:
        head, *rest = field.name.split("_")
        field.json_name = head + "".join(word.capitalize() for word in rest)
    for nested in message.nested_type:
        add_json_names(nested)


@pytest.fixture
def node(public: Gateway, descriptors: Path) -> Run:
    """Run a program of tests/clients, whose tests all have to pass; return what it wrote."""

    def run(program: str, *arguments: str) -> str:
        setting = {"grpc": public.traffic, "http": public.http, "descriptors": str(descriptors)}
        assert (CLIENTS / "node_modules").is_dir(), "`make npm` installs what the Node clients need"
        done = subprocess.run(
            ["node", "--test-force-exit", "--test-reporter=tap", program, *arguments],
            cwd=CLIENTS,
            env={**os.environ, "CLIENT_SETTING": json.dumps(setting)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LONGEST,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        counts = dict(line[2:].split() for line in done.stdout.splitlines() if line.count(" ") == 2 and line[0] == "#")
        assert int(counts["pass"]) > 0, done.stdout
        assert {counts[kind] for kind in ("fail", "skipped", "todo", "cancelled")} == {"0"}, done.stdout
        return done.stdout

    return run
