"""What is known of this process: who it is, what it is built on, where it listens."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import edge

_COMPONENTS = ("grpcio", "protobuf", "uvloop", "aiohttp")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeListener:
    """A socket callers connect to, as it was bound."""

    name: str
    """The name of the listener."""

    address: str
    """The address it is bound to, with the port it really has."""

    protocol: str
    """The protocol it takes, as in the configuration."""

    tls: bool = False
    """Whether connections are encrypted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInfo:
    """A process of the gateway."""

    node_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """The identifier of the process, new with each start."""

    version: str = edge.__version__
    """The version of the software."""

    start_time: float = field(default_factory=time.time)
    """When the process started, in seconds since the epoch."""

    listeners: tuple[NodeListener, ...] = ()
    """The sockets callers connect to."""

    engine: str = "wire"
    """What carries the calls."""


def components() -> dict[str, str]:
    """Return the versions of what the software is built on, by name."""
    found = {"python": platform.python_version()}
    for name in _COMPONENTS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # an optional one that is not installed
    return found


def resident_bytes() -> int:
    """Return the resident memory of the process, or 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
