"""The cases as resources of a gateway: one schema with a service each, and a route each with a host of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2

from gateway.v1 import config_pb2, config_service_pb2, schema_pb2
from tests.corpus.cases import Case, Json
from tests.corpus.descriptors import Schemas, with_imports
from tests.corpus.features import transcoding
from tests.corpus.services import file, methods

PLACES = (re.compile(r"\bcorpus[./]c(\d+)\b"), re.compile(r"\bcase-(\d+)\b"))
ROUTE_PLACE = re.compile(r"^config\.routes\[(\d+)\]")
APPLY_SECONDS = 120
NEVER = "127.0.0.1:1"
"""Nobody listens on it."""


@dataclass(frozen=True)
class Entry:
    """A case and what its route says besides the usual."""

    case: Case
    """The case."""

    upstream: str = "grpc"
    """`grpc`, `raw` or `nobody`."""

    route: Json = field(default_factory=dict)
    """More fields of the route."""


class Refused(Exception):
    """The gateway did not take a configuration."""

    def __init__(self, code: grpc.StatusCode, text: str, violations: Sequence[tuple[str, str]]) -> None:
        super().__init__(text)
        self.code = code
        self.violations = violations

    def words(self) -> str:
        """Return what was said about it, in one line."""
        found = "; ".join(f"{place}: {words}" for place, words in self.violations[:3])
        return f"{self.code.name} {found or self.args[0]}"


class Loader:
    """Puts cases into a gateway through its API.

    Args:
        admin: The address of the gateway API.
        schemas: The types of the corpus.
        grpc_address: The gRPC upstream.
        raw_address: The raw upstream.
    """

    def __init__(self, admin: str, schemas: Schemas, grpc_address: str, raw_address: str) -> None:
        self._schemas = schemas
        self._addresses = {"grpc": grpc_address, "raw": raw_address, "nobody": NEVER}
        self._channel = grpc.aio.insecure_channel(admin, options=[("grpc.max_receive_message_length", -1)])
        self._call: Any = self._channel.unary_unary(
            "/gateway.v1.ConfigService/ApplyConfig",
            request_serializer=config_service_pb2.ApplyConfigRequest.SerializeToString,
            response_deserializer=config_service_pb2.ApplyConfigResponse.FromString,
        )

    async def close(self) -> None:
        """Close the connection to the gateway."""
        await self._channel.close()

    async def load(self, entries: Sequence[Entry]) -> dict[int, str]:
        """Load the cases, and leave those out that are refused.

        Returns:
            What was said about those left out, by the case's number.

        Raises:
            Refused: the gateway refuses the configuration even without any case, or for another reason than what
                it says.
        """
        left: dict[int, str] = {}
        while True:
            wanted = [entry for entry in entries if entry.case.number not in left]
            try:
                await self._apply(self._config(wanted))
            except Refused as refusal:
                if not wanted or refusal.code is not grpc.StatusCode.INVALID_ARGUMENT:
                    raise
                left |= self._blamed(wanted, refusal) or await self._found(wanted)
            else:
                return left

    async def accepts(self, case: Case, *, annotated: bool) -> str:
        """Ask whether the rules of a case would be accepted; nothing is changed.

        Args:
            case: The case.
            annotated: Whether the rules are the methods' annotations, or `transcoding.rules` of the route.

        Returns:
            Why not, or an empty text.

        Raises:
            Refused: with another code than INVALID_ARGUMENT.
        """
        route = _route(Entry(case))
        if not annotated:
            route["transcoding"] = {"rules": [_selected(case, method.name, method.rule) for method in methods(case)]}
        definition = file(case, self._schemas, annotated=annotated)
        try:
            await self._apply(self._of([definition], [route], ["grpc"]), validate_only=True)
        except Refused as refusal:
            if refusal.code is not grpc.StatusCode.INVALID_ARGUMENT:
                raise
            return refusal.words()
        return ""

    def _blamed(self, entries: Sequence[Entry], refusal: Refused) -> dict[int, str]:
        """Return the cases that violations are about."""
        known = {entry.case.number for entry in entries}
        found: dict[int, str] = {}
        for place, words in refusal.violations:
            number: int | None = None
            if (at := ROUTE_PLACE.match(place)) is not None and int(at[1]) < len(entries):
                number = entries[int(at[1])].case.number
            else:
                named = [int(m[1]) for pattern in PLACES if (m := pattern.search(f"{place} {words}")) is not None]
                number = next(iter(named), None)
            if number in known and number is not None:
                found.setdefault(number, f"{place}: {words}")
        return found

    async def _found(self, entries: Sequence[Entry]) -> dict[int, str]:
        """Find one case that is refused although nothing names it, by halves."""
        while len(entries) > 1:
            half = entries[: len(entries) // 2]
            try:
                await self._apply(self._config(half), validate_only=True)
            except Refused:
                entries = half
            else:
                # the other half, or the two together: then the last one is left out, which ends sooner or later
                entries = entries[len(entries) // 2 :]
        try:
            await self._apply(self._config(entries), validate_only=True)
        except Refused as refusal:
            return {entries[0].case.number: refusal.words()}
        return {entries[0].case.number: "refused together with others"}

    def _config(self, entries: Sequence[Entry]) -> config_pb2.Config:
        files = [file(entry.case, self._schemas) for entry in entries]
        return self._of(files, [_route(entry) for entry in entries], list(self._addresses))

    def _of(self, files: Iterable[FileDescriptorProto], routes: list[Json], upstreams: list[str]) -> config_pb2.Config:
        everything = FileDescriptorSet(file=with_imports([*self._schemas.files, *files]))
        found = json_format.ParseDict(
            {
                "upstreams": [
                    {
                        "name": f"upstreams/corpus-{name}",
                        "static": {"endpoints": [{"address": self._addresses[name]}]},
                        "schema": "schemas/corpus",
                        "reflection": {"disabled": True},
                    }
                    for name in upstreams
                ],
                "routes": routes,
            },
            config_pb2.Config(),
        )
        found.schemas.append(
            schema_pb2.Schema(name="schemas/corpus", file_descriptor_set=everything.SerializeToString())
        )
        return found

    async def _apply(self, config: config_pb2.Config, *, validate_only: bool = False) -> None:
        request = config_service_pb2.ApplyConfigRequest(config=config, validate_only=validate_only)
        try:
            await self._call(request, timeout=APPLY_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise Refused(error.code(), error.details() or "", _violations(error)) from None


def _route(entry: Entry) -> Json:
    case = entry.case
    return {
        "name": case.route,
        "matches": [{"hosts": [case.host], "grpc": {"service": case.service}}],
        "forward": {"upstreams": [{"upstream": f"upstreams/corpus-{entry.upstream}"}]},
        "transcoding": transcoding(case),
        **entry.route,
    }


def _selected(case: Case, method: str, rule: Any) -> Json:
    found: Json = json_format.MessageToDict(rule, preserving_proto_field_name=True)
    return {**found, "selector": f"{case.service}.{method}"}


def _violations(error: grpc.aio.AioRpcError) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                bad = error_details_pb2.BadRequest()
                if detail.Unpack(bad):
                    found += [(violation.field, violation.description) for violation in bad.field_violations]
    return found
