"""Native gRPC calls on the wire engine: the environment they share, and which requests are such calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from edge.model.call import Call
from edge.model.errors import GatewayError
from edge.model.peers import Peers
from edge.model.pipeline import Pipeline
from edge.model.refusals import metadata_too_large
from edge.model.schema import Method, Shape
from edge.model.snapshot import RoutePlan, Snapshot
from edge.model.watch import Watch
from edge.proxy.handed import HandedCalls
from edge.tasks import Tasks
from edge.wire.acceptor import Acceptor, ServerStream
from edge.wire.caller import CallState
from edge.wire.carrier import Carrier
from edge.wire.deadlines import Wheel
from edge.wire.environment import Environment
from edge.wire.forward import ForwardedCall
from edge.wire.heads import Field
from edge.wire.request_head import RequestHead
from edge.wire.server import ServerConnection
from edge.wire.translate import OK_HEAD, refusal_fields


class WireEnvironment(Environment):
    """What the calls of the gateway share.

    Args:
        pipeline: Match, admit, pick, settle.
        peers: What is known of callers.
        wheel: Where deadlines are kept.
        max_metadata: The most metadata of a caller, in bytes.
        method: Returns what is known of a method by its path.
        snapshot: The configuration in force. None when calls are not routed.
        compresses: Whether answers are compressed for callers that accept it.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        peers: Peers,
        wheel: Wheel,
        *,
        max_metadata: int,
        method: Callable[[str], Method | None],
        snapshot: Watch[Snapshot] | None = None,
        compresses: bool = False,
    ) -> None:
        super().__init__(pipeline, peers, wheel, max_metadata=max_metadata)
        self._method = method
        self._compresses = compresses
        self._core: Carrier | None = None
        self._handed: HandedCalls | None = None
        self._tasks = Tasks()
        if snapshot is not None:
            self._take(snapshot.value)
            snapshot.listen(self._take)

    def use_core(self, carrier: Carrier, handed: HandedCalls) -> None:
        """Let calls that need messages go to the core.

        Args:
            carrier: The way to it.
            handed: Where it finds them.
        """
        self._core = carrier
        self._handed = handed
        if self.snapshot is not None:
            self._take(self.snapshot)

    def forget(self) -> None:
        """What is known of methods is other than before."""
        self.known += 1

    def now(self) -> float:
        """Return the monotonic clock, in seconds."""
        return time.monotonic()

    def is_unary(self, method: str) -> bool:
        """Whether a schema knows the method to be unary."""
        known = self._method(method)
        return known is not None and known.shape is Shape.UNARY

    def wait_for(self, pending: Awaitable[None], call: CallState) -> None:
        """Await an admission, then let the call go on or end."""
        self._tasks.spawn(self._admit(pending, call), name=f"admission of {call.call.method}")

    def core_for(self, call: Call, plan: RoutePlan, head: RequestHead) -> tuple[Carrier, str] | None:
        """Return where a call goes that needs messages, and by what name it is found there; else None."""
        core, handed = self._core, self._handed
        if core is None or handed is None:
            return None
        if (
            plan.needs_messages
            or (plan.uncompressed and head.coding not in ("", "identity"))
            or (self._compresses and _takes_compressed(head.accepted))
        ):
            return core, handed.give(call)
        return None

    async def close(self) -> None:
        """End the admissions under way."""
        await self._tasks.close()

    async def _admit(self, pending: Awaitable[None], call: CallState) -> None:
        try:
            await pending
        except GatewayError as error:
            call.refuse(error)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            call.fail(self.unexpected(call.call, error))
        else:
            call.admitted()

    def _take(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.has_core = self._core is not None and (
            self._compresses or any(plan.needs_messages or plan.uncompressed for plan in snapshot.plans.values())
        )


class Requests(Acceptor):
    """Tells native gRPC calls from other requests.

    Args:
        environment: What routed calls share. None when only `own` are taken.
        own: What calls of the gateway's own services share.
        own_paths: What the paths of the own services begin with.
        http: Makes the stream of a request that is not native gRPC. None when those are refused.
        max_metadata: The most metadata of a caller, in bytes, for the words of a refusal.
        native: Whether native gRPC is taken.
    """

    def __init__(
        self,
        environment: Environment | None,
        own: Environment,
        own_paths: tuple[str, ...],
        http: Callable[[ServerConnection, int, RequestHead], ServerStream],
        *,
        max_metadata: int,
        native: bool = True,
    ) -> None:
        self._environment = environment
        self._own = own
        self._own_paths = own_paths
        self._http = http
        self._max_metadata = max_metadata
        self._native = native

    def stream(self, conn: ServerConnection, number: int, head: RequestHead) -> ServerStream:
        """Return the stream object for a request."""
        if not head.grpc or not self._native:
            return self._http(conn, number, head)
        environment = self._environment
        if environment is None or head.path.startswith(self._own_paths):
            environment = self._own
        return ForwardedCall(conn, number, environment, head)

    def oversized(self, head: RequestHead) -> tuple[Field, ...]:
        """Return the answer to a request whose header list is too large and may not be whole."""
        if head.grpc or (head.header("content-type") or "").startswith("application/grpc"):
            limit = self._max_metadata
            size = sum(len(name) + len(value) + 32 for name, value in head.received)
            return (*OK_HEAD, *refusal_fields(metadata_too_large(max(size, limit + 1), limit)))
        return ((":status", "431"), ("content-length", "0"))


def _takes_compressed(accepted: str) -> bool:
    return any(part.strip() in ("gzip", "deflate") for part in accepted.split(","))
