"""The calls of the demo: what is asked of the bookstores through the gateway, and of the gateway itself."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from gateway.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    route_pb2,
    route_service_pb2,
    route_service_pb2_grpc,
    upstream_pb2,
    upstream_service_pb2,
    upstream_service_pb2_grpc,
)

if TYPE_CHECKING:
    from bookstore.v1 import bookstore_pb2 as pb

SERVICE = "bookstore.v1.BookstoreService"
HEADER, HEADER_VALUE = "x-demo", "two"
_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call and what came of it."""

    call: str
    answer: str
    served_by: str
    seconds: float
    ok: bool


class BookstoreCalls:
    """Calls to the bookstores.

    Args:
        channel: The channel to the gateway.
        messages: The module of the bookstore's messages.
        stub: The bookstore's stub on `channel`.
    """

    def __init__(self, channel: grpc.aio.Channel, messages: Any, stub: Any) -> None:
        self._channel = channel
        self._pb = messages
        self._stub = stub

    async def unary(self, *metadata: tuple[str, str]) -> Outcome:
        """Get a shelf."""
        request = self._pb.GetShelfRequest(name="shelves/fiction")
        call = self._stub.GetShelf(request, timeout=_TIMEOUT, metadata=metadata)
        name = f"GetShelf, {metadata[0][0]}: {metadata[0][1]}" if metadata else "GetShelf (unary)"

        async def answer() -> str:
            shelf: pb.Shelf = await call
            return f"{shelf.theme}, {shelf.book_count} books"

        return await _finish(name, call, answer)

    async def server_stream(self) -> Outcome:
        """Stream the books of a shelf."""
        call = self._stub.StreamBooks(self._pb.StreamBooksRequest(parent="shelves/science"), timeout=_TIMEOUT)

        async def answer() -> str:
            titles = [book.title async for book in call]
            return f"{len(titles)} messages: {', '.join(titles)}"

        return await _finish("StreamBooks (server stream)", call, answer)

    async def client_stream(self) -> Outcome:
        """Import a few books."""
        book = self._pb.Book

        async def requests() -> AsyncIterator[pb.ImportBooksRequest]:
            for title in ("A Sentimental Journey", "The Innocents Abroad", "Roughing It"):
                yield self._pb.ImportBooksRequest(parent="shelves/travel", book=book(title=title, author="Various"))

        call = self._stub.ImportBooks(requests(), timeout=_TIMEOUT)

        async def answer() -> str:
            report: pb.ImportBooksResponse = await call
            return f"3 sent: {report.imported_count} new, {report.skipped_count} known already"

        return await _finish("ImportBooks (client stream)", call, answer)

    async def both_ways(self) -> Outcome:
        """Ask for recommendations, each question after the answer to the one before."""
        call = self._stub.RecommendBooks(timeout=_TIMEOUT)

        async def answer() -> str:
            found = []
            for subject in ("sea", "sea", "future"):
                await call.write(self._pb.RecommendBooksRequest(subject=subject))
                found.append(f"{subject}: {(await call.read()).book.title}")
            await call.done_writing()
            return "; ".join(found)

        return await _finish("RecommendBooks (both ways)", call, answer)

    async def refused(self) -> Outcome:
        """Order what is sold out."""
        request = self._pb.OrderBookRequest(name="shelves/fiction/books/first-folio")
        call = self._stub.OrderBook(request, timeout=_TIMEOUT)
        return await _finish(
            "OrderBook (sold out)", call, expected=(grpc.StatusCode.FAILED_PRECONDITION, "OUT_OF_STOCK")
        )

    async def no_route(self) -> Outcome:
        """Call what no route takes."""
        method = self._channel.unary_unary("/nobody.v1.Nobody/Home", _same, _same)
        call = method(b"", timeout=_TIMEOUT)
        return await _finish("nobody.v1.Nobody/Home", call, expected=(grpc.StatusCode.UNIMPLEMENTED, "NO_ROUTE"))


class GatewayCalls:
    """Calls to the gateway API on `channel`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._routes: Any = route_service_pb2_grpc.RouteServiceStub(channel)  # type: ignore[no-untyped-call]
        self._upstreams: Any = upstream_service_pb2_grpc.UpstreamServiceStub(channel)  # type: ignore[no-untyped-call]
        self._admin: Any = admin_service_pb2_grpc.AdminServiceStub(channel)  # type: ignore[no-untyped-call]

    async def list_routes(self) -> Outcome:
        """List the routes and where they are declared."""
        call = self._routes.ListRoutes(route_service_pb2.ListRoutesRequest(), timeout=_TIMEOUT)

        async def answer() -> str:
            response: route_service_pb2.ListRoutesResponse = await call
            return ", ".join(f"{route.name} ({_place(route)})" for route in response.routes)

        return await _finish("RouteService.ListRoutes", call, answer)

    async def create_upstream(self, address: str) -> Outcome:
        """Create an upstream with one endpoint."""
        static = upstream_pb2.StaticDiscovery(endpoints=[upstream_pb2.StaticEndpoint(address=address)])
        request = upstream_service_pb2.CreateUpstreamRequest(
            upstream_id="only-two", upstream=upstream_pb2.Upstream(static=static)
        )
        call = self._upstreams.CreateUpstream(request, timeout=_TIMEOUT)

        async def answer() -> str:
            upstream: upstream_pb2.Upstream = await call
            return f"{upstream.name}: {', '.join(endpoint.address for endpoint in upstream.static.endpoints)}"

        return await _finish("UpstreamService.CreateUpstream", call, answer)

    async def create_route(self) -> Outcome:
        """Create a route to that upstream for calls that say so in a header."""
        match = route_pb2.RouteMatch(
            grpc=route_pb2.GrpcMatch(service=SERVICE),
            headers=[route_pb2.HeaderMatch(name=HEADER, exact=HEADER_VALUE)],
        )
        forward = route_pb2.ForwardAction(upstreams=[route_pb2.WeightedUpstream(upstream="upstreams/only-two")])
        request = route_service_pb2.CreateRouteRequest(
            route_id="only-two", route=route_pb2.Route(matches=[match], forward=forward)
        )
        call = self._routes.CreateRoute(request, timeout=_TIMEOUT)

        async def answer() -> str:
            route: route_pb2.Route = await call
            return f"{route.name}: {HEADER}: {HEADER_VALUE} goes to upstreams/only-two"

        return await _finish("RouteService.CreateRoute", call, answer)

    async def explain(self) -> tuple[Outcome, list[str]]:
        """Ask why a call with the header goes where it goes; the lines say it."""
        request = admin_service_pb2.ExplainCallRequest(path=f"/{SERVICE}/GetShelf", headers={HEADER: HEADER_VALUE})
        call = self._admin.ExplainCall(request, timeout=_TIMEOUT)
        lines: list[str] = []

        async def answer() -> str:
            said: admin_service_pb2.ExplainCallResponse = await call
            lines.extend(f"{said.route} takes it: {reason}" for reason in said.reasons)
            lines.extend(
                f"{upstream.upstream} gets {upstream.percent:g} %: {upstream.endpoint}, {upstream.balancer}"
                for upstream in said.upstreams
            )
            lines.extend(f"{miss.route} does not: {miss.reason}" for miss in said.misses)
            return said.route if said.matched else "no route takes it"

        return await _finish("AdminService.ExplainCall", call, answer), lines


async def _finish(
    name: str,
    call: Any,
    answer: Callable[[], Awaitable[str]] | None = None,
    expected: tuple[grpc.StatusCode, str] | None = None,
) -> Outcome:
    start = time.perf_counter()
    try:
        said = await answer() if answer else f"no error, but {await call!r}"
        ok = expected is None
    except grpc.aio.AioRpcError as error:
        reason, details = _details(error)
        said = f"{error.code().name}: {error.details()}" + (f" [{details}]" if details else "")
        ok = (error.code(), reason) == expected
    seconds = time.perf_counter() - start
    metadata = await call.initial_metadata() or {}
    return Outcome(name, said, str(metadata.get("x-served-by", "the gateway")), seconds, ok)


def _details(error: grpc.aio.AioRpcError) -> tuple[str, str]:
    """Return the reason in the error's ErrorInfo, and the names of all its details."""
    trailers: Any = error.trailing_metadata() or {}
    status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    reason, names = "", []
    for detail in status.details:
        names.append(detail.TypeName().rpartition(".")[2])
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reason = info.reason
            names[-1] += f" {reason}"
    return reason, ", ".join(names)


def _place(route: route_pb2.Route) -> str:
    """Return where a route is declared."""
    if route.origin.file:
        return f"{route.origin.file.rpartition('/')[2]}:{route.origin.line}"
    return "made by the API"


def _same(data: bytes) -> bytes:
    return data
