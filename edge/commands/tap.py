"""`edge tap`: finished calls as they end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from edge.commands import show
from edge.commands.client import connect, stub
from edge.commands.explain import code_name
from edge.commands.show import Format
from edge.commands.terminal import ExitCode, Failure, clean, note, output, write
from edge.control.yaml_nodes import Mark, ScalarNode
from edge.control.yaml_scalars import Unfit
from edge.control.yaml_wellknown import read_duration
from edge.model.hints import did_you_mean
from edge.model.status import Code
from gateway.v1 import admin_service_pb2, admin_service_pb2_grpc, tap_pb2

_COLUMNS = f"{'TIME':<12}  {'CODE':<18}  {'TOOK':>8}  {'PROTOCOL':<9}  METHOD → ENDPOINT"


def run(address: str, request: admin_service_pb2.TapCallsRequest, form: Format) -> None:
    """Print finished calls until the gateway or the reader ends it."""
    wanted, shown, dropped = request.max_calls, 0, 0
    with connect(address) as channel:
        stream = stub(admin_service_pb2_grpc.AdminServiceStub, channel).TapCalls(request)
        try:
            for response in stream:
                if not response.HasField("call"):
                    note(f"finished calls of {address}; Ctrl-C ends this")
                    if form is Format.TABLE:
                        output().print(_COLUMNS, style="bold")
                else:
                    _print(response.call, form)
                    shown += 1
                if response.dropped > dropped:
                    dropped = response.dropped
                    note(f"{dropped} calls were left out: this reader is too slow")
                if wanted and shown >= wanted:
                    break
        finally:
            stream.cancel()


def filter_of(
    *, route: str, upstream: str, method: str, errors: bool, codes: Iterable[str], min_duration: str
) -> tap_pb2.TapFilter:
    """Return the filter for what a person typed.

    Raises:
        Failure: something does not fit.
    """
    found = tap_pb2.TapFilter(
        route=f"routes/{route.removeprefix('routes/')}" if route else "",
        upstream=f"upstreams/{upstream.removeprefix('upstreams/')}" if upstream else "",
        method_prefix=method,
        errors_only=errors,
        codes=[_code(code) for code in codes],
    )
    if min_duration:
        try:
            read_duration(ScalarNode(min_duration, True, Mark(1, 1)), found.min_duration)
        except Unfit as error:
            hint = f"; {error.hint}" if error.hint else ""
            raise Failure(ExitCode.USAGE, f"--min-duration takes {error.expected}{hint}") from error
    return found


def _code(text: str) -> int:
    word = text.upper().replace("-", "_")
    if word in Code.__members__:
        return int(Code[word])
    if text.isascii() and text.isdigit() and len(text) < 4 and int(text) in set(Code):
        return int(text)
    raise Failure(ExitCode.USAGE, f"there is no status code `{text[:60]}`{did_you_mean(text, Code.__members__)}")


def _print(call: Any, form: Format) -> None:
    if form is Format.JSON:
        write(show.line(call))
        return
    started = datetime.fromtimestamp(call.start_time.seconds + call.start_time.nanos / 1e9, UTC).astimezone()
    code = code_name(call.status.code)
    style = "green" if call.status.code == 0 else "red" if call.status_source == "gateway" else "yellow"
    where = f" → {show.short(call.upstream)} {call.endpoint}".rstrip() if call.upstream else ""
    why = ": ".join(word for word in (call.reason, call.status.message, call.cause) if word) if call.status.code else ""
    output().print(
        Text.assemble(
            f"{started:%H:%M:%S}.{started.microsecond // 1000:03d}  ",
            (f"{code:<18}", style),
            f"  {show.duration(call.duration):>8}  {call.protocol:<9}  ",
            clean(f"{call.method}{where}").replace("\n", " "),
            (clean(f"  {why}").replace("\n", " ") if why else "", "dim"),
        )
    )
