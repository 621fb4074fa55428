"""`edge demo`: two bookstores, the gateway in front of them, and calls that show what it does."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import grpc
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.demo_calls import HEADER, HEADER_VALUE, BookstoreCalls, GatewayCalls, Outcome
from edge.demo_lines import lines_to_try, script
from edge.demo_processes import Child, DemoError, how_it_ended, is_free
from edge.demo_web import Script, bookstore_script, gateway_script, until_learnt
from edge.tasks import Tasks

_EDGE = (sys.executable, "-m", "edge.cli")
_READY_SECONDS = 15.0
_INTERRUPTED = 130
_LISTENS = re.compile(r"listens on (\S+)")
_BOOKSTORES = (("one", 50051), ("two", 50052))
_TRAFFIC, _ADMIN = 8080, 9090
_SHORTEST = 60
_PIPE_WIDTH = 150
# what the environment says about a proxy is not about this machine
_NO_PROXY = (("grpc.enable_http_proxy", 0),)


@dataclass(frozen=True, slots=True)
class _Addresses:
    traffic: str
    admin: str
    bookstores: tuple[str, ...]


def run(*, once: bool) -> int:
    """Show the gateway at work, with `once` until everything was shown, otherwise until Ctrl-C.

    Returns:
        0 when everything worked, 1 when something did not, 130 when `once` was interrupted.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPE_WIDTH)
    return asyncio.run(_Demo(console, once=once).run())


class _Demo:
    def __init__(self, console: Console, *, once: bool) -> None:
        self._console = console
        self._once = once
        self._tasks = Tasks()
        self._children: list[Child] = []
        self._interrupted = False

    async def run(self) -> int:
        main = asyncio.current_task()
        assert main is not None

        def interrupt() -> None:
            if not self._interrupted:  # once: what follows is cleaning up, which ends by itself
                self._interrupted = True
                main.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, interrupt)
        with tempfile.TemporaryDirectory(prefix="edge-demo-") as folder:
            try:
                return await self._show(Path(folder))
            except asyncio.CancelledError:
                if not self._interrupted:
                    raise
                main.uncancel()
                return _INTERRUPTED if self._once else 0
            except DemoError as error:
                self._say(f"\nThe demo cannot go on: {error}", "bold red")
                return 1
            finally:
                await self._stop()

    async def _stop(self) -> None:
        self._interrupted = True
        if self._children:
            self._say("\nStopping the gateway and the bookstores.")
        # the gateway first: what is still under way in it may need the bookstores
        for child in reversed(self._children):
            await child.stop()
        await self._tasks.close()

    async def _show(self, folder: Path) -> int:
        addresses = await self._start(folder)
        async with (
            grpc.aio.insecure_channel(addresses.traffic, _NO_PROXY) as traffic,
            grpc.aio.insecure_channel(addresses.admin, _NO_PROXY) as admin,
        ):
            worked = await self._show_calls(traffic, addresses)
            worked = await self._show_web(addresses) and worked
            worked = await self._show_api(traffic, admin, addresses) and worked
        self._show_lines(addresses)
        if not worked:
            self._say("\nNot everything went as it should: see `no` above. The gateway said last:", "bold red")
            self._say(self._children[-1].output)
        if self._once:
            return 0 if worked else 1
        self._say("\nEverything keeps running. Ctrl-C stops it.", "bold")
        return await self._keep_running()

    async def _start(self, folder: Path) -> _Addresses:
        """Start two bookstores and then the gateway, and wait until they take calls."""
        examples = find_examples()
        deadline = time.monotonic() + _READY_SECONDS
        self._say("Starting two bookstores and the gateway.", "bold")
        for name, preferred in _BOOKSTORES:
            port = self._port(preferred, f"bookstore {name}")
            command = [sys.executable, str(examples / "server.py"), "--port", str(port), "--name", name]
            await self._start_child(f"bookstore {name}", command, {})
        bookstores = tuple([(await child.said(_LISTENS, deadline))[1] for child in self._children])
        ready = folder / "ready.json"
        command = [*_EDGE, "serve", "--config", str(examples / "edge.yaml"), "--ready-file", str(ready)]
        ports = {
            "EDGE_TRAFFIC": f"127.0.0.1:{self._port(_TRAFFIC, 'the gateway')}",
            "EDGE_ADMIN": f"127.0.0.1:{self._port(_ADMIN, 'the gateway API')}",
            "BOOKSTORE_ONE": bookstores[0],
            "BOOKSTORE_TWO": bookstores[1],
        }
        gateway = await self._start_child("the gateway", command, ports)
        bound = json.loads(await gateway.wrote(ready, deadline))
        addresses = _Addresses(bound["listeners"]["traffic"], bound["admin"], bookstores)
        for child, address in zip(self._children, bookstores, strict=False):
            self._say(f"  {child.name:<15} {address:<17} process {child.pid}")
        self._say(f"  {'gateway':<15} {addresses.traffic:<17} process {gateway.pid}, for every protocol")
        self._say(f"  {'its API':<15} {addresses.admin:<17} by gRPC and as REST")
        return addresses

    async def _start_child(self, name: str, command: list[str], env: dict[str, str]) -> Child:
        child = await Child.start(name, command, {**os.environ, **env}, self._tasks)
        self._children.append(child)
        return child

    def _port(self, preferred: int, what: str) -> int:
        """Return the preferred port, or 0 for one that the process finds, when somebody else has it."""
        if is_free(preferred):
            return preferred
        self._say(f"  port {preferred} is taken: {what} gets another one", "yellow")
        return 0

    async def _show_calls(self, traffic: grpc.aio.Channel, addresses: _Addresses) -> bool:
        calls = bookstore_calls(traffic)
        await _connected(traffic, "the gateway")
        outcomes = [await calls.unary() for _ in range(4)]
        turns = {outcome.served_by for outcome in outcomes}
        others = (calls.server_stream, calls.client_stream, calls.both_ways, calls.refused, calls.no_route)
        outcomes += [await call() for call in others]
        self._table(f"Calls to the bookstores, all made to the gateway on {addresses.traffic}", outcomes)
        names = {name for name, _ in _BOOKSTORES}
        if turns != names:
            self._say(
                f"Expected {' and '.join(sorted(names))} to answer in turn, got {', '.join(sorted(turns))}.", "red"
            )
        return turns == names and all(outcome.ok for outcome in outcomes)

    async def _show_api(self, traffic: grpc.aio.Channel, admin: grpc.aio.Channel, addresses: _Addresses) -> bool:
        gateway, calls = GatewayCalls(admin), bookstore_calls(traffic)
        await _connected(admin, "the gateway API")
        outcomes = [
            await gateway.list_routes(),
            await gateway.create_upstream(addresses.bookstores[1]),
            await gateway.create_route(),
        ]
        routed = [await calls.unary((HEADER, HEADER_VALUE)) for _ in range(3)]
        explained, reasons = await gateway.explain()
        title = f"The gateway API on {addresses.admin}: a new upstream and a new route, in force for the next call"
        self._table(title, [*outcomes, *routed, explained])
        for reason in reasons:
            self._say(f"    {reason}")
        right = {outcome.served_by for outcome in routed} == {HEADER_VALUE}
        if not right:
            self._say(f"Expected {HEADER_VALUE} to answer every call of the new route.", "red")
        return right and all(outcome.ok for outcome in (*outcomes, *routed, explained))

    async def _show_web(self, addresses: _Addresses) -> bool:
        """Show the calls that need no gRPC, as the lines that make them."""
        client = script(find_examples() / "websocket_client.py")
        async with aiohttp.ClientSession() as session:
            await until_learnt(session, addresses.traffic, _READY_SECONDS)
            self._say(
                f"\nThe same bookstores without gRPC on {addresses.traffic}; their route says `transcoding: {{}}`",
                "bold",
            )
            worked = await self._play(session, bookstore_script(addresses.traffic, client))
            return await self._play(session, gateway_script(addresses.admin)) and worked

    async def _play(self, session: aiohttp.ClientSession, steps: Script) -> bool:
        """Make the calls one after the other and show each with its answer."""
        worked = True
        for step in steps:
            if isinstance(step, str):
                self._say(f"  {step}", "dim")
                continue
            self._say(f"  {step.line}")
            try:
                outcome = await step.make(session)
            except (aiohttp.ClientError, TimeoutError) as error:
                outcome = Outcome(step.line, f"{type(error).__name__}: {error}", "nobody", 0.0, ok=False)
            worked = worked and outcome.ok
            mark = Text("yes", "green") if outcome.ok else Text("no", "bold red")
            tail = Text.assemble("  ", (outcome.served_by, "cyan"), f"  {outcome.seconds * 1e3:.1f} ms  ", mark)
            answer = Text(f"    {' '.join(outcome.answer.split())}")
            answer.truncate(max(self._console.width - tail.cell_len, _SHORTEST), overflow="ellipsis")
            self._console.print(Text.assemble(answer, tail), soft_wrap=True)
        return worked

    def _table(self, title: str, outcomes: Iterable[Outcome]) -> None:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False)
        table.add_column("  call", no_wrap=True)
        table.add_column("answer", overflow="fold")
        table.add_column("from", no_wrap=True)
        table.add_column("ms", justify="right", no_wrap=True)
        table.add_column("ok", no_wrap=True)
        for outcome in outcomes:
            mark = Text("yes", "green") if outcome.ok else Text("no", "bold red")
            took = f"{outcome.seconds * 1e3:.1f}"
            table.add_row(Text(f"  {outcome.call}"), Text(outcome.answer), Text(outcome.served_by, "cyan"), took, mark)
        self._say(f"\n{title}", "bold")
        self._console.print(table)

    def _show_lines(self, addresses: _Addresses) -> None:
        self._say(
            "\nWith this running, try in another terminal:" if self._once else "\nTry in another terminal:", "bold"
        )
        for line in lines_to_try(addresses.traffic, addresses.admin, addresses.bookstores[0]):
            self._say(f"  {line}", "dim" if line.startswith("#") else "")

    async def _keep_running(self) -> int:
        """Wait until the gateway ends, and say so when a bookstore does."""
        gateway = self._children[-1]
        running = {child.ended: child for child in self._children}
        while not gateway.ended.done():
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                child = running.pop(ended)
                if child is not gateway:
                    self._say(f"{child.name} {how_it_ended(ended.result())}; the gateway goes on without it.", "yellow")
        raise gateway.died()

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)


def find_examples() -> Path:
    """Return the folder of the bookstore: beside the package in the repository, inside it when installed."""
    package = Path(__file__).resolve().parent
    for folder in (package.parent / "examples" / "bookstore", package / "_examples" / "bookstore"):
        if (folder / "server.py").is_file():
            return folder
    raise DemoError("the bookstore example is not installed with this package")


def bookstore_calls(channel: grpc.aio.Channel) -> BookstoreCalls:
    """Return the calls to the bookstore, whose stubs are with the example and not on the path."""
    examples = str(find_examples())
    if examples not in sys.path:
        sys.path.append(examples)
    messages = importlib.import_module("bookstore.v1.bookstore_pb2")
    services = importlib.import_module("bookstore.v1.bookstore_pb2_grpc")
    return BookstoreCalls(channel, messages, services.BookstoreServiceStub(channel))


async def _connected(channel: grpc.aio.Channel, what: str) -> None:
    """Wait until the channel is connected, so that the first call's time is the call's."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await channel.channel_ready()
    except TimeoutError:
        raise DemoError(f"{what} said that it is ready, but nobody answers there") from None
