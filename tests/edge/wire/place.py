"""A gateway of nothing but pipeline and engine, with callers and endpoints that are played frame by frame."""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Sequence
from typing import Any, cast

from edge.model.call import Call, CallFinished
from edge.model.config import Forward, GrpcTarget, HeaderChange, Route, RouteMatch
from edge.model.counters import Protections
from edge.model.endpoint import Endpoint, EndpointAddress
from edge.model.errors import GatewayError, NoHealthyEndpoint
from edge.model.peers import Peers
from edge.model.resilience import DEFAULT_RETRY, NO_RETRY, HedgeRule, RetryRule
from edge.model.schema import Method, SchemaSet, Shape
from edge.model.settings import Limits
from edge.model.snapshot import Admission, RoutePlan, Snapshot, SourceState, UpstreamPlan
from edge.model.watch import Watch
from edge.proxy import Dispatcher
from edge.routing import RadixRouteTable
from edge.wire.acceptor import Acceptor, ServerStream
from edge.wire.caller import CallState
from edge.wire.carrier import Carrier, Waiter
from edge.wire.client import ClientConnection, Owner
from edge.wire.connection import Receiver
from edge.wire.deadlines import Wheel
from edge.wire.environment import Environment
from edge.wire.forward import ForwardedCall
from edge.wire.heads import Field
from edge.wire.request_head import RequestHead
from edge.wire.sending import Rules, Turn
from edge.wire.server import ServerConnection
from edge.wire.translate import OK_HEAD
from tests.edge.wire.support import PREFIX, Peer


class Place(Environment):
    """Pipeline and time for calls, with one route over several endpoints.

    Args:
        limits: The limits of every connection.
        endpoints: How many endpoints there are.
        admissions: The policies.
        caller_limits: Other limits for the connections of callers.
        unary: The methods that a schema knows to be unary.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        endpoints: int = 1,
        admissions: tuple[Admission, ...] = (),
        caller_limits: Limits | None = None,
        unary: tuple[str, ...] = (),
        max_request: int = 4 * 1024 * 1024,
        max_response: int = 4 * 1024 * 1024,
        stream_timeout: float | None = None,
        idle: float | None = None,
        unary_limit: tuple[float | None, str] = (None, "route"),
        changes: tuple[HeaderChange, ...] = (),
        max_metadata: int = 16 * 1024,
        trusted: tuple[str, ...] = (),
        action: Any = None,
        retry: RetryRule = DEFAULT_RETRY,
        hedge: HedgeRule | None = None,
        peer_class: type[Peer] = Peer,
    ) -> None:
        self.time = 1000.0
        self.limits = limits or Limits()
        self.caller_limits = caller_limits or self.limits
        self.turn = Turn()
        self.peer_class = peer_class
        self.carriers = [PlaceCarrier(self) for _ in range(endpoints)]
        self.cluster = InTurn([Endpoint(EndpointAddress(f"192.0.2.{n + 1}:1"), c) for n, c in enumerate(self.carriers)])
        upstream = UpstreamPlan(name="upstreams/u", weight=1, cluster=self.cluster, unary_limit=unary_limit)
        plan = RoutePlan(
            route=Route(
                name="routes/r",
                matches=(RouteMatch(target=GrpcTarget(service="a.B")),),
                action=action or Forward(upstreams=(("upstreams/u", 1),)),
                stream_timeout=stream_timeout,
                stream_idle_timeout=idle,
            ),
            admissions=admissions,
            response_changes=changes,
            upstreams=() if action else (upstream,),
            single=None if action else upstream,
            max_request_bytes=max_request,
            max_response_bytes=max_response,
            retry=retry if hedge is None else NO_RETRY,
            hedge=hedge,
        )
        snapshot = Snapshot(table=RadixRouteTable.build([plan]), plans={plan.route.name: plan})
        self.dispatcher = Dispatcher(Watch(snapshot))
        self.finished: list[CallFinished] = []
        self.dispatcher.listen(self.finished.append)
        self.pending: list[tuple[Generator[Any, None, None], CallState]] = []
        self.callers: list[Peer] = []
        self._unary = unary
        super().__init__(self.dispatcher, Peers(trusted), Wheel(), max_metadata=max_metadata)
        self.snapshot = snapshot

    # === what calls ask of it ===

    def now(self) -> float:
        return self.time

    def is_unary(self, method: str) -> bool:
        return method in self._unary

    def wait_for(self, pending: Awaitable[None], call: CallState) -> None:
        # by hand: there is no loop here
        self.pending.append((cast("Generator[Any, None, None]", pending), call))

    def core_for(self, call: Call, plan: RoutePlan, head: RequestHead) -> tuple[Carrier, str] | None:
        return None

    # === what tests do ===

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        self.wheel.advance(self.time)

    def admit_waiting(self) -> None:
        """Finish the admissions that wait."""
        waiting, self.pending = self.pending, []
        for pending, call in waiting:
            try:
                pending.send(None)
            except StopIteration:
                call.admitted()
            except GatewayError as error:
                call.refuse(error)
            else:
                raise AssertionError("an admission that waits for something else")

    def caller(self, *settings: tuple[int, int], peer: str = "ipv4:198.51.100.7:4711", greet: bool = True) -> Peer:
        """Return a new caller with its connection."""
        conn = ServerConnection(Rules(self.caller_limits), self.turn, PlaceAcceptor(self), Protections(), peer=peer)
        caller = self.peer_class(conn, self.now)
        conn.start()
        if greet:
            caller.greet(*settings)
            caller.all_events()
        self.callers.append(caller)
        return caller

    def endpoint(self, number: int = 0, *settings: tuple[int, int], greet: bool = True) -> Peer:
        """Return an endpoint of its own connection, which the carrier uses from now on."""
        return self.carriers[number].connect(*settings, greet=greet)

    def flush(self) -> None:
        self.turn.flush()

    def codes(self) -> list[int]:
        """Return how the calls ended, each of which is told once."""
        assert len({id(finished.call) for finished in self.finished}) == len(self.finished)
        return [int(finished.code) for finished in self.finished]

    def check_idle(self) -> None:
        """Check that no call has left anything behind."""
        assert self.dispatcher.active_calls == 0
        assert len(self.wheel) == 0
        assert all(endpoint.active == 0 for endpoint in self.cluster.endpoints)
        for conn in self.connections():
            assert not conn.streams
            assert not conn.waiting
        assert not any(carrier.waiters for carrier in self.carriers)

    def check_credit(self) -> None:
        """Check that every connection that is alive has its whole window, given back or owed."""
        for conn in self.connections():
            if not conn.ended:
                assert conn.recv_left + conn.owed == conn.rules.connection_window

    def connections(self) -> list[Receiver]:
        return [
            *[caller.conn for caller in self.callers],
            *[endpoint.conn for carrier in self.carriers for endpoint in carrier.endpoints],
        ]


class PlaceAcceptor(Acceptor):
    """Makes forwarded calls."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def stream(self, conn: ServerConnection, number: int, head: RequestHead) -> ServerStream:
        return ForwardedCall(conn, number, self.place, head)

    def oversized(self, head: RequestHead) -> tuple[Field, ...]:
        return (*OK_HEAD, ("grpc-status", "8"))


class PlaceCarrier(Carrier):
    """The connections to one endpoint; the newest one that has room is used."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.endpoints: list[Peer] = []
        self.waiters: list[Waiter] = []

    def connect(self, *settings: tuple[int, int], greet: bool = True) -> Peer:
        conn = ClientConnection(Rules(self.place.limits), self.place.turn, CarrierOwner(self), PREFIX)
        endpoint = self.place.peer_class(conn, self.place.now)
        self.endpoints.append(endpoint)
        conn.start()
        if greet:
            endpoint.greet(*settings)
        self.serve()
        return endpoint

    def connection(self) -> ClientConnection | None:
        for endpoint in reversed(self.endpoints):
            conn = cast("ClientConnection", endpoint.conn)
            if conn.has_room():
                return conn
            conn.full = True
        return None

    def wait(self, waiter: Waiter) -> None:
        self.waiters.append(waiter)

    def abandon(self, waiter: Waiter) -> None:
        self.waiters.remove(waiter)

    def serve(self) -> None:
        while self.waiters:
            conn = self.connection()
            if conn is None:
                return
            self.waiters.pop(0).on_connection(conn)

    def give_up(self, cause: str = "connection refused") -> None:
        while self.waiters:
            self.waiters.pop(0).on_unreachable(cause)


class CarrierOwner(Owner):
    """Lets those go on who wait for room."""

    def __init__(self, carrier: PlaceCarrier) -> None:
        self.carrier = carrier

    def on_room(self, conn: ClientConnection) -> None:
        self.carrier.serve()

    def on_settled(self, conn: ClientConnection) -> None:
        self.carrier.serve()


IDEMPOTENT = "/a.B/Get"
"""The method that the schema calls idempotent."""


class InTurn:
    """A cluster whose endpoints are picked in turn. What is leased is given back once."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.name = "upstreams/u"
        self.endpoints = tuple(endpoints)
        self.discovery = self.schema_source = SourceState()
        self.schema = SchemaSet(methods={IDEMPOTENT: Method(IDEMPOTENT, Shape.UNARY, "a.Q", "a.A", idempotent=True)})
        self.failed: list[bool] = []
        self.picks = 0

    def pick(self, call: Call, now: float) -> Endpoint:
        if not self.endpoints:
            raise NoHealthyEndpoint(f"{self.name} has no endpoint")
        endpoint = self.endpoints[self.picks % len(self.endpoints)]
        self.picks += 1
        endpoint.active += 1
        return endpoint

    def release(
        self, endpoint: Endpoint, *, failed: bool | None, latency: float, now: float, began: float | None = None
    ) -> None:
        endpoint.active -= 1
        assert endpoint.active >= 0, "given back twice"
        self.failed.append(bool(failed))

    admits = False
    breaker: tuple[str, str] | None = None

    def enter(self, call: Call) -> None:
        raise AssertionError("it admits every call")

    def leave(self, call: Call, failed: bool | None, now: float) -> None:
        raise AssertionError("it admits every call")

    def tried(self, call: Call, failed: bool, now: float) -> None:
        raise AssertionError("it admits every call")

    def find(self, address: str) -> Endpoint | None:
        raise AssertionError("nobody looks for an endpoint")

    def drain(self, address: str) -> None:
        raise AssertionError("nothing is drained")

    def undrain(self, address: str) -> None:
        raise AssertionError("nothing is drained")

    def drop(self, address: str) -> None:
        raise AssertionError("nothing is dropped")

    def put_back(self, endpoint: Endpoint) -> None:
        self.release(endpoint, failed=False, latency=0.0, now=0.0)

    def preview(self, call: Call) -> tuple[Endpoint | None, str]:
        return None, "in turn"


class Later:
    """An admission that has to be waited for, and then does what the test says."""

    name = "policies/later"

    def __init__(self, error: GatewayError | None = None) -> None:
        self.error = error

    def admit(self, call: Call) -> Awaitable[None] | None:
        return self._decide()

    async def _decide(self) -> None:
        if self.error is not None:
            raise self.error
