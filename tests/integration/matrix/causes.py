"""Why calls fail, and what a caller of each protocol has to get then: the matrix is this table and three rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.integration.matrix.outcome import SHAPES, STREAMED, Ask
from tests.integration.matrix.peer import CODE, FIRST, MESSAGE
from tests.integration.matrix.place import BYTES, SECONDS, SERVICE

UPSTREAM = re.escape(MESSAGE)
LATE = r"the caller's deadline has passed"
DIED = r"upstream upstreams/matrix broke the connection during the call"
TOO_LARGE = (
    rf"a {{what}} message of \d+ bytes is larger than the {BYTES} (bytes )?that max_{{what}}_message_bytes of "
    "routes/small allows"
)


@dataclass(frozen=True)
class Cause:
    """Why a call fails."""

    name: str
    """What it is called."""

    case: str
    """The route."""

    code: int
    """The gRPC code."""

    http: int
    """The HTTP status, where there is one to be had."""

    words: str
    """The message, as a regular expression."""

    do: str = ""
    """What the upstream does."""

    reason: str = ""
    """The reason of the gateway; empty when the upstream itself fails the call."""

    shapes: tuple[str, ...] = SHAPES
    """The shapes of calls that can fail so."""

    size: int = 1
    """The bytes of the request."""

    timeout: float | None = None
    """The seconds the caller waits."""

    bad: bool = False
    """Whether the request cannot be read."""

    path: str = ""
    """The path that is called in place of the method's, by REST too."""

    before_upgrade: bool = False
    """Whether the gateway knows it before it accepts a WebSocket."""

    close: int | None = None
    """What a WebSocket is closed with when it is not 4000 and the code."""

    but: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By protocol, and `protocol shape` before it: another code and HTTP status."""

    may_lose: bool = False
    """Whether the message before the end may be lost: gRPC drops what it has not handed out when a connection ends."""

    unseen: tuple[str, ...] = ()
    """Protocols whose callers cannot fail so, or do not wait for the gateway to say it."""

    @property
    def waits(self) -> bool:
        """Whether the call fails because of a time limit."""
        return self.code == 4

    @property
    def first(self) -> bool:
        """Whether a message comes before the end."""
        return self.do.endswith("-after-one")

    @property
    def messages(self) -> list[bytes]:
        """What a message before the end holds."""
        return [FIRST] if self.first else []

    def ask(self, shape: str) -> Ask:
        """Return the call."""
        path, rest = (self.path, self.path) if self.path else (f"/{SERVICE}/{shape}", f"/rest/{shape}")
        return Ask(self.case, path, rest, shape, self.do, self.size, self.timeout, self.bad)

    def expected(self, protocol: str, shape: str, *, begun: bool) -> tuple[int, int]:
        """Return code and HTTP status for a caller whose answer has begun or not."""
        for key in (f"{protocol} {shape}", protocol):
            if key in self.but:
                return self.but[key]
        # 1. gRPC and its kin say it behind an HTTP answer that has nothing to say
        if protocol.startswith("grpc") or (protocol.startswith("connect") and shape != "Unary"):
            return self.code, 200
        # 2. a WebSocket is accepted before there is a call
        if protocol.startswith("websocket"):
            return self.code, self.http if self.before_upgrade else 101
        # 3. whatever else: a true status, unless the answer has begun
        return self.code, 200 if begun else self.http


def both(name: str, *, do: str, **more: object) -> tuple[Cause, Cause]:
    """Return a cause that shows before the first message of an answer, and one that shows behind it."""
    return (
        Cause(name, do=do, **more),  # type: ignore[arg-type] # what differs is not in them
        Cause(f"{name}-after-one", do=f"{do}-after-one", **{**more, "shapes": STREAMED}),  # type: ignore[arg-type]
    )


CAUSES: tuple[Cause, ...] = (
    *both("upstream-status", do="fail", case="plain", code=CODE, http=409, words=UPSTREAM),
    *both(
        "upstream-dies",
        do="die",
        case="plain",
        code=14,
        http=503,
        words=DIED,
        reason="UPSTREAM_UNREACHABLE",
        may_lose=True,
    ),
    *both(
        "caller-deadline",
        do="hang",
        case="plain",
        code=4,
        http=504,
        words=LATE,
        reason="DEADLINE",
        timeout=SECONDS,
        unseen=("grpc",),
    ),
    *both(
        "route-deadline",
        do="hang",
        case="late",
        code=4,
        http=504,
        words=rf"the call took longer than the {SECONDS:g} s that the route timeout of routes/late allows",
        reason="DEADLINE",
    ),
    *both(
        "response-too-large",
        do="big",
        case="small",
        code=8,
        http=502,
        words=TOO_LARGE.format(what="response"),
        reason="MESSAGE_TOO_LARGE",
    ),
    Cause(
        "request-too-large",
        "small",
        8,
        413,
        TOO_LARGE.format(what="request"),
        reason="MESSAGE_TOO_LARGE",
        size=2 * BYTES,
        close=1009,
    ),
    Cause(
        "no-route",
        "plain",
        12,
        404,
        r"no route (takes|offers) .*/nobody\.v1\.Nobody/Home.*",
        reason="NO_ROUTE",
        path="/nobody.v1.Nobody/Home",
        before_upgrade=True,
    ),
    Cause(
        "no-endpoint",
        "down",
        14,
        503,
        r"upstream upstreams/down (is not available: none of its 1 endpoints takes calls|could not be reached)",
        reason="NO_HEALTHY_ENDPOINT|UPSTREAM_UNREACHABLE",
    ),
    Cause(
        "direct-response",
        "direct",
        7,
        403,
        r"geschlossen: „heute“",
        reason="DIRECT_RESPONSE",
        before_upgrade=True,
    ),
    Cause(
        "bad-input",
        "plain",
        3,
        400,
        r"dta: unknown field of `matrix\.v1\.Blob`; did you mean `data`\?|"  # JSON
        r"the body ends within a frame, .*|the body cannot be read as `application/grpc-web-text\+proto`: .*|"
        r"the message does not decompress: .*|the frame begins with the byte 7; .*",
        reason="TRANSCODING_FAILED",
        bad=True,
        # gRPC calls broken framing INTERNAL; whoever sends no base64 has never heard of gRPC-Web
        but={"grpc-web": (13, 200), "grpc-web-text": (3, 400)},
        # grpcio cannot be made to send what is no gRPC
        unseen=("grpc",),
    ),
)
