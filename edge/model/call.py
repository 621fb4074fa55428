"""One RPC on its way through the gateway, whatever protocol it came in by."""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.model.status import Code

if TYPE_CHECKING:
    from edge.model.endpoint import Endpoint
    from edge.model.snapshot import RoutePlan, Snapshot, UpstreamPlan

MetadataPairs = Sequence[tuple[str, str | bytes]]
"""Metadata in the order of the wire: lower-case names, `-bin` values as bytes."""


class Protocol(enum.Enum):
    """What a caller speaks."""

    GRPC = "grpc"
    GRPC_WEB = "grpc-web"
    CONNECT = "connect"
    REST = "rest"
    WEB_SOCKET = "websocket"
    HTTP = "http"


class StatusSource(enum.Enum):
    """Who ended a call."""

    UPSTREAM = "upstream"
    GATEWAY = "gateway"
    CALLER = "caller"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsIdentity:
    """Who a caller is by its verified certificate."""

    subject: str
    """The distinguished name."""

    names: tuple[str, ...] = ()
    """The subject alternative names: DNS names, addresses, SPIFFE ids."""


NO_PARAMETERS: Mapping[str, str] = {}

NO_CLAIMS: Mapping[str, object] = {}


class Retries:
    """What a call that is tried again remembers of its attempts."""

    __slots__ = ("backoffs", "begun", "count", "hedges", "replays", "started")

    def __init__(self) -> None:
        self.begun: dict[Endpoint, float] | None = None
        """When the first attempt at each endpoint began, once there are several beside each other."""
        self.count: int = 0
        """The attempts that failed and were followed by another one."""
        self.replays: int = 0
        """The attempts that provably never left and were made again elsewhere."""
        self.hedges: int = 0
        """The attempts that were begun while others were under way."""
        self.backoffs: int = 0
        """The waits since a server last said how long to wait."""
        self.started: float = 0.0
        """When the latest attempt began, by the monotonic clock."""


class Call:
    """One RPC on its way. An engine makes it; each step of the pipeline fills in what it found out.

    This is mutable: a call has one owner at a time, and one is made for every call, so it is a plain slotted class (a
    frozen dataclass costs several microseconds more).
    """

    __slots__ = (
        "admitted",
        "attempts",
        "cause",
        "claims",
        "consumer",
        "deadline",
        "endpoint",
        "first_message",
        "host",
        "metadata",
        "method",
        "path_parameters",
        "peer",
        "plan",
        "protocol",
        "query",
        "reason",
        "request_bytes",
        "request_id",
        "request_messages",
        "response_bytes",
        "response_messages",
        "response_metadata",
        "retries",
        "settled",
        "snapshot",
        "started",
        "ticket",
        "tls",
        "tried",
        "upstream",
        "verb",
    )

    def __init__(
        self,
        method: str,
        metadata: MetadataPairs = (),
        *,
        protocol: Protocol = Protocol.GRPC,
        host: str = "",
        verb: str = "",
        query: str = "",
        peer: str = "",
        tls: TlsIdentity | None = None,
        started: float | None = None,
        deadline: float | None = None,
    ) -> None:
        self.method: str = method
        """The gRPC path `/package.Service/Method`, or the HTTP path without query, as sent."""
        self.metadata: MetadataPairs = metadata
        """The metadata of the caller. Policies replace it as a whole when they change it."""
        self.protocol: Protocol = protocol
        """What the caller speaks."""
        self.host: str = host
        """The authority without port, in lower case. Empty when it is not known (grpc.aio hides it)."""
        self.verb: str = verb
        """The HTTP verb in upper case. Empty for a native gRPC call."""
        self.query: str = query
        """The query string without `?`. Empty for a native gRPC call."""
        self.peer: str = peer
        """The address of the caller, as in `127.0.0.1:40404` or `unix:`."""
        self.tls: TlsIdentity | None = tls
        """Who the caller is by its certificate, or None."""
        self.consumer: str = ""
        """The name of the consumer that authentication has recognized. Empty without one."""
        self.claims: Mapping[str, object] = NO_CLAIMS
        """The claims of the caller's verified token. Empty without one."""
        self.started: float = time.monotonic() if started is None else started
        """When the headers arrived, by the monotonic clock, in seconds."""
        self.deadline: float | None = deadline
        """When the caller gives up, by the monotonic clock, in seconds. None means never."""
        self.snapshot: Snapshot | None = None
        """The configuration the call is served by, from the match on."""
        self.plan: RoutePlan | None = None
        """What happens to the call, from the match on."""
        self.path_parameters: Mapping[str, str] = NO_PARAMETERS
        """What the matched path bound."""
        self.upstream: UpstreamPlan | None = None
        """Where the call goes, from the pick on."""
        self.endpoint: Endpoint | None = None
        """The endpoint the call is leased to, from the pick on."""
        self.tried: Endpoint | None = None
        """The endpoint of the attempt before, which the next one avoids where it can."""
        self.ticket: int = -1
        """What the circuit breaker of the upstream let it through with. -1 means that it is not inside."""
        self.retries: Retries | None = None
        """What is remembered of attempts that failed, once one has."""
        self.attempts: int = 0
        """How often an endpoint was tried."""
        self.request_id: str = ""
        """The value of `x-request-id`, kept or made."""
        self.response_metadata: MetadataPairs = ()
        """Initial metadata that policies add to the answer."""
        self.request_messages: int = 0
        """The messages from the caller."""
        self.response_messages: int = 0
        """The messages to the caller."""
        self.request_bytes: int = 0
        """The bytes of the messages from the caller."""
        self.response_bytes: int = 0
        """The bytes of the messages to the caller."""
        self.first_message: float | None = None
        """When the first message went to the caller, by the monotonic clock."""
        self.reason: str = ""
        """Why the gateway ended the call. Empty when it did not."""
        self.cause: str = ""
        """What went wrong, for operators only."""
        self.admitted: bool = False
        """Whether it was matched and admitted before another engine got it."""
        self.settled: bool = False
        """Whether the call has been accounted for."""

    def remaining(self, now: float) -> float | None:
        """Return the seconds until the caller gives up, at least 0, or None for never."""
        return None if self.deadline is None else max(self.deadline - now, 0.0)

    def header(self, name: str) -> str | bytes | None:
        """Return the first value of a metadata entry by its lower-case name, or None."""
        for key, value in self.metadata:
            if key == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class CallFinished:
    """What is known of a call when it has ended; metrics, log, trace and tap read it."""

    call: Call
    """The call. It does not change any more."""

    code: Code
    """How it ended."""

    message: str
    """The message that went with the code."""

    source: StatusSource
    """Who ended it."""

    ended: float
    """When it ended, by the monotonic clock."""

    @property
    def duration(self) -> float:
        """The seconds the call took."""
        return self.ended - self.call.started
