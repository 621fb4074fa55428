"""`edge explain`: which route takes a call, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.text import Text

from edge.commands import show
from edge.commands.client import TIMEOUT, connect, stub
from edge.commands.show import Format
from edge.commands.terminal import ExitCode, Failure, clean, facts, heading, output, table
from edge.model.status import Code
from gateway.v1 import admin_service_pb2, admin_service_pb2_grpc

_NAMES = {
    "grpc": "gRPC",
    "grpc-web": "gRPC-Web",
    "connect": "Connect",
    "rest": "REST",
    "websocket": "WebSocket",
    "http": "plain HTTP",
}
"""The protocols of callers, for people."""


def run(
    address: str, call: Sequence[str], form: Format, *, verb: str, host: str, headers: Iterable[str], misses: int
) -> bool:
    """Print what would happen to a call, given as a method, a path, or a verb and a path.

    Returns:
        Whether a route takes it, or the gateway itself answers it.
    """
    *before, path = call
    if len(before) > 1 or (before and verb):
        raise Failure(ExitCode.USAGE, "give a method or a path, and at most one verb before it")
    verb = before[0] if before else verb
    if not verb and _cannot_be_grpc(path):
        verb = "GET"
    request = admin_service_pb2.ExplainCallRequest(
        path=path, verb=verb.upper(), host=host, headers=dict(_header(header) for header in headers), max_misses=misses
    )
    with connect(address) as channel:
        answer = stub(admin_service_pb2_grpc.AdminServiceStub, channel).ExplainCall(request, timeout=TIMEOUT)
    if form is Format.TABLE:
        _print(request, answer)
    else:
        show.structured(answer, form)
    return bool(answer.matched or answer.action)


def _cannot_be_grpc(path: str) -> bool:
    """Whether the path has another form than `/package.Service/Method`, which is that of every gRPC call."""
    return path.startswith("/") and (path.count("/") != 2 or "?" in path or path.endswith("/"))


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator or not name.strip():
        raise Failure(ExitCode.USAGE, "a header is given as `name:value`")
    return name.strip().lower(), value.strip()


def _print(request: admin_service_pb2.ExplainCallRequest, answer: admin_service_pb2.ExplainCallResponse) -> None:
    call = f"{request.verb} {request.path}".strip() + (f" at {request.host}" if request.host else "")
    taken = Text("no route takes this call", style="bold red")
    if answer.matched:
        index = "the default route" if answer.match_index < 0 else f"match {answer.match_index}"
        taken = Text.assemble((clean(answer.route), "bold green"), f", {index}")
    elif answer.action:
        taken = Text("none: the gateway itself answers")
    first: list[tuple[str, str | Text]] = [("Call", call), ("Taken as", _protocol(answer)), ("Route", taken)]
    facts([*first, *_facts(answer), ("Revision", str(answer.config_revision))])
    if answer.misses or answer.more_misses:
        heading("Other routes")
        rows = [(m.route, str(m.match_index) if m.match_index >= 0 else "", m.reason) for m in answer.misses]
        table(("ROUTE", "MATCH", "WHY NOT"), rows)
        if answer.more_misses:
            output().print(f"… and {answer.more_misses} more")
    if not answer.matched and not request.verb:
        output().print(f"\nThis was taken as a gRPC call. For HTTP: edge explain GET {request.path}")


def _protocol(answer: Any) -> str:
    name = _NAMES.get(answer.protocol, answer.protocol)
    return f"{name} by the rule {answer.rule}" if answer.rule else name


def _facts(answer: Any) -> Iterator[tuple[str, str | Text]]:
    yield "Because", "\n".join(answer.reasons)
    yield "Parameters", "\n".join(f"{name} = {answer.path_parameters[name]}" for name in sorted(answer.path_parameters))
    yield "Policies", "\n".join(f"{index}. {name}" for index, name in enumerate(answer.policies, 1))
    yield "Action", answer.action
    yield "Upstreams", "\n".join(_choice(choice) for choice in answer.upstreams)
    yield "Method", f"{answer.method} ({answer.shape})" if answer.shape else answer.method
    yield "Deadlines", "\n".join(answer.deadlines)
    if answer.HasField("status"):
        number = f"{answer.http_status} " if answer.http_status else ""
        yield "Answer", Text(clean(f"{number}{code_name(answer.status.code)}: {answer.status.message}"), style="yellow")


def _choice(choice: Any) -> str:
    endpoint = choice.endpoint or "no endpoint"
    balancer = f" ({choice.balancer})" if choice.balancer else ""
    return f"{choice.upstream}  {choice.percent:g} %  → {endpoint}{balancer}"


def code_name(number: int) -> str:
    """Return the name of a status code."""
    return Code(number).name if number in set(Code) else str(number)
