"""Calls of `grpc.health.v1` as both engines make them: requests, answers, and what a status stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from edge.model.status import Code
from edge.upstream.health_services import Serving

CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"

LARGEST = 4096
"""The most bytes of an answer. One has three."""

_pb: Any = health_pb2
"""The package has no types."""


@dataclass(frozen=True, slots=True)
class End:
    """How a call of the health service ended."""

    code: Code
    """Its status."""

    words: str
    """What went wrong, for people, in words that follow the address."""


Cancel = Callable[[], None]
"""Ends a call. Nothing is told any more."""


class HealthCalls(Protocol):
    """Makes calls of the health service of one endpoint. What is told may be told before a method returns."""

    def check(self, service: str, said: Callable[[Serving], None], ended: Callable[[End], None]) -> Cancel:
        """Ask once: there is one status, or an end without any."""
        ...

    def watch(self, service: str, said: Callable[[Serving], None], ended: Callable[[End], None]) -> Cancel:
        """Ask to be told of changes. It ends when the server does, or when its connection takes no more calls."""
        ...

    async def close(self) -> None:
        """End what is under way."""
        ...


def request_bytes(service: str) -> bytes:
    """Return the request about a service, serialized."""
    data: bytes = _pb.HealthCheckRequest(service=service).SerializeToString()
    return data


def status_of(data: bytes) -> Serving | None:
    """Return the status of a serialized answer. None when it is none; a status we do not know is UNKNOWN."""
    try:
        number = _pb.HealthCheckResponse.FromString(data).status
    except DecodeError:
        return None
    return Serving(number) if number in Serving.__members__.values() else Serving.UNKNOWN


def end_of(code: Code, message: str) -> End:
    """Return how a call ended, by its status."""
    text = message.replace("\n", " ")[:200]
    return End(code, f"answers health checks with {code.name}" + (f": {text}" if text else ""))
