"""The lines the demo prints to be pasted into a shell as they are."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from edge.demo_calls import HEADER, HEADER_VALUE, SERVICE


def lines_to_try(traffic: str, admin: str, bookstore: str) -> list[str]:
    """Return comments and commands.

    Args:
        traffic: The address of the gateway.
        admin: The address of its API.
        bookstore: The address of bookstore one.
    """
    shelf = {"name": "shelves/fiction"}
    upstream = {"static": {"endpoints": [{"address": bookstore}]}}
    route = {
        "matches": [{"grpc": {"service": SERVICE}, "headers": [{"name": HEADER, "exact": "one"}]}],
        "forward": {"upstreams": [{"upstream": "upstreams/only-one"}]},
    }
    edge = shlex.quote(command("edge"))
    return [
        "# what the bookstores offer, learnt by reflection, calls balanced over both, and an error with details",
        _grpcurl(traffic, "list"),
        _grpcurl(traffic, f"{SERVICE}/GetShelf", shelf, "-v"),
        _grpcurl(traffic, f"{SERVICE}/StreamBooks"),
        _grpcurl(traffic, f"{SERVICE}/OrderBook", {"name": "shelves/fiction/books/first-folio"}),
        "# the gateway API: a new upstream, a new route to it, and the next call takes it",
        _grpcurl(admin, "list"),
        _grpcurl(admin, "gateway.v1.UpstreamService/CreateUpstream", {"upstream_id": "only-one", "upstream": upstream}),
        _grpcurl(admin, "gateway.v1.RouteService/CreateRoute", {"route_id": "only-one", "route": route}),
        _grpcurl(traffic, f"{SERVICE}/GetShelf", shelf, "-v", "-H", f"{HEADER}: one"),
        _grpcurl(admin, "gateway.v1.RouteService/DeleteRoute", {"name": "routes/only-one"}),
        "# the same gateway by the command line: what it has, why a call goes where it goes, and calls as they finish",
        f"{edge} get routes --address {admin}",
        f"{edge} get health --address {admin}",
        f"{edge} explain {SERVICE}/GetShelf --header {HEADER}:{HEADER_VALUE} --address {admin}",
        f"{edge} explain GET /v1/shelves/fiction --address {admin}",
        f"{edge} openapi --route bookstore -o yaml --address {admin}",
        f"{edge} tap --address {admin}",
    ]


def command(name: str) -> str:
    """Return how a command is called from here: by name when the shell finds it, else by its path."""
    beside = Path(sys.executable).parent / name
    if shutil.which(name) or not beside.exists():
        return name
    return _near(beside)


def script(path: Path) -> tuple[str, str]:
    """Return how a Python script is started from here, by the Python that runs this."""
    python = Path(sys.executable).with_name("python")
    return _near(python if python.exists() else Path(sys.executable)), _near(path)


def _near(path: Path) -> str:
    """Return a path as short as it can be written from here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _grpcurl(address: str, method: str, message: dict[str, Any] | None = None, *options: str) -> str:
    data = ("-d", json.dumps(message)) if message is not None else ()
    return shlex.join((command("grpcurl"), "-plaintext", *options, *data, address, method))
