"""Asks a gateway, and says in plain words what came of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own log lines would stand between ours

import grpc
from google.rpc import error_details_pb2, status_pb2

from edge.commands.terminal import ExitCode, Failure
from edge.model.errors import DOMAIN

TIMEOUT = 10.0
"""Seconds a gateway has to answer."""

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
)
_REASONS = (
    "Connection refused",
    "No such file or directory",
    "Network is unreachable",
    "No route to host",
    "Permission denied",
    "Connection reset",
    "Socket closed",
    "Timeout occurred",
)


@contextmanager
def connect(address: str) -> Iterator[grpc.Channel]:
    """Yield a channel to the gateway. What its calls fail with becomes a `Failure`.

    Raises:
        Failure: the gateway refused or could not be reached.
    """
    with grpc.insecure_channel(address, options=_OPTIONS) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            raise failure(error, address) from error


def stub(factory: Any, channel: Any) -> Any:
    """Return the stub of a service. The generated classes have no types, so this is the one place that calls them."""
    return factory(channel)


def pages(method: Any, request: Any, field: str) -> Iterator[Any]:
    """Yield the resources of every page of a List method."""
    request.page_size = 1000
    seen: set[str] = set()
    while True:
        response = method(request, timeout=TIMEOUT)
        yield from getattr(response, field)
        request.page_token = response.next_page_token
        if not request.page_token or request.page_token in seen:
            return
        seen.add(request.page_token)


def failure(error: Any, address: str) -> Failure:
    """Return what a person is told about a failed call."""
    code: grpc.StatusCode = error.code()
    message: str = error.details() or ""
    info, violations = details(error)
    if info is None:
        if code is grpc.StatusCode.UNAVAILABLE:
            return _unreachable(address, _why(message))
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return _unreachable(address, f"no answer within {TIMEOUT:g} s")
    if code is grpc.StatusCode.UNIMPLEMENTED and (info is None or info.reason == "NO_ROUTE"):
        hint = f"the gateway API is not at {address}; is that a port for traffic? Name the other one with --address"
        return Failure(ExitCode.UNREACHABLE, hint)
    exit_code = ExitCode.NOT_FOUND if code is grpc.StatusCode.NOT_FOUND else ExitCode.REFUSED
    reason = f"{code.name}, {info.reason}" if info is not None and info.reason else code.name
    shown = [f"{field}: {description}" if field else description for field, description in violations]
    if shown == [message]:
        shown = []
    elif len(shown) > 1:
        message = re.sub(r" \(and \d+ more\)$", "", message)
    return Failure(exit_code, f"{message or 'the gateway refused'} ({reason})", shown)


def details(error: Any) -> tuple[error_details_pb2.ErrorInfo | None, list[tuple[str, str]]]:
    """Return the reason of a refusal, and its field violations as paths and descriptions."""
    info: error_details_pb2.ErrorInfo | None = None
    violations: list[tuple[str, str]] = []
    for detail in _status(error).details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            unpacked = error_details_pb2.ErrorInfo()
            if detail.Unpack(unpacked) and unpacked.domain == DOMAIN:
                info = unpacked
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            request = error_details_pb2.BadRequest()
            detail.Unpack(request)
            violations += [(entry.field, entry.description) for entry in request.field_violations]
    return info, violations


def _status(error: Any) -> status_pb2.Status:
    trailers: Iterable[tuple[str, str | bytes]] = error.trailing_metadata() or ()
    for name, value in trailers:
        if name == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except ValueError:  # not what it says it is; the code and the message are enough
                break
    return status_pb2.Status()


def _unreachable(address: str, why: str) -> Failure:
    return Failure(
        ExitCode.UNREACHABLE,
        f"no gateway answers at {address}: {why}. Start one with `edge serve --config edge.yaml`, "
        "or name another with --address",
    )


def _why(message: str) -> str:
    for reason in _REASONS:
        if reason.lower() in message.lower():
            return reason.lower()
    if "dns" in message.lower() or "name resolution" in message.lower() or "domain name" in message.lower():
        return "the host name is not known"
    return message.rpartition(": ")[2].strip(". ") or "it cannot be reached"
