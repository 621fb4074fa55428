"""`edge apply`: the resources of files, in force as one or not at all."""

from __future__ import annotations

import os
import re
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc
from rich.text import Text

from edge.commands import client, show
from edge.commands.files import count, read
from edge.commands.show import Format
from edge.commands.terminal import Failure, clean, invalid, note, output
from edge.control.yaml_config import Document, LoadedMessage, documents
from edge.model.errors import InvalidRequest, Violation
from gateway.v1 import config_pb2, config_service_pb2, config_service_pb2_grpc

_COLLECTIONS = ("upstreams", "routes", "policies", "consumers", "schemas")
_AT_START = "is decided at the start of a gateway; remove it here and change it in the file of `edge serve`"
_REFUSED = {key: f"`{key}` {_AT_START}" for key in ("server", "store", "observability")}
_INDEX = re.compile(r"^(?:config\.)?([a-z]+)\[(\d+)\](.*)$")
_STYLES = {"created": "green", "updated": "yellow", "deleted": "red", "unchanged": "dim"}


class Input:
    """The resources of several documents as one configuration that knows where each came from."""

    def __init__(self) -> None:
        self.config = config_pb2.Config(name="config")
        self._places: dict[str, list[tuple[LoadedMessage[Any], str]]] = {name: [] for name in _COLLECTIONS}

    def add(self, document: Document) -> None:
        """Add what a document holds: a configuration, its collections, or one resource as `edge get` prints it.

        Raises:
            InvalidRequest: something does not fit.
        """
        collection = document.text("name").partition("/")[0]
        if collection in _COLLECTIONS:
            message_type = type(getattr(config_pb2.Config(), collection).add())
            self._take(document, message_type, collection)
            return
        loaded = document.read(config_pb2.Config, environment=os.environ, output_only="ignore", refused=_REFUSED)
        for name in _COLLECTIONS:
            resources = getattr(loaded.config, name)
            getattr(self.config, name).extend(resources)
            self._places[name] += [(loaded, f"{name}[{index}]") for index in range(len(resources))]
        self.config.etag = loaded.config.etag or self.config.etag

    def _take(self, document: Document, message_type: Any, collection: str) -> None:
        loaded = document.read(message_type, environment=os.environ, output_only="ignore")
        getattr(self.config, collection).append(loaded.config)
        self._places[collection].append((loaded, ""))

    def locate(self, field_path: str) -> str:
        """Return where a field of the whole stands, as in `edge.yaml:12:7`, or an empty text."""
        match = _INDEX.match(field_path)
        if match is None or match[1] not in self._places:
            return ""
        places = self._places[match[1]]
        index = int(match[2][:9])
        if index >= len(places):
            return ""
        loaded, local = places[index]
        return loaded.locate(f"{local}{match[3]}".lstrip("."))

    @property
    def names(self) -> list[str]:
        """The names of all resources."""
        return [resource.name for collection in _COLLECTIONS for resource in getattr(self.config, collection)]


def run(address: str, files: Iterable[str], form: Format, *, replace: bool, dry_run: bool) -> None:
    """Put the resources of the files in force and print what is different."""
    given = _read_all(files)
    request = config_service_pb2.ApplyConfigRequest(
        config=given.config, merge=not replace, validate_only=dry_run, request_id=str(uuid.uuid4())
    )
    with client.connect(address) as channel:
        service = client.stub(config_service_pb2_grpc.ConfigServiceStub, channel)
        try:
            response = service.ApplyConfig(request, timeout=client.TIMEOUT * 3)
        except grpc.RpcError as error:
            raise _failure(error, address, given) from error
    if form is not Format.TABLE:
        show.structured(response, form)
        return
    _print(response, given, dry_run=dry_run)


def _read_all(files: Iterable[str]) -> Input:
    given = Input()
    violations: list[Violation] = []
    for file in files:
        name = "stdin" if file == "-" else file
        text = sys.stdin.read() if file == "-" else read(Path(file))
        try:
            found = documents(text, name=name)
        except InvalidRequest as error:
            violations += error.violations
            continue
        for document in found:
            try:
                given.add(document)
            except InvalidRequest as error:
                violations += error.violations
    if violations:
        raise invalid(InvalidRequest.of(violations))
    return given


def _failure(error: Any, address: str, given: Input) -> Failure:
    """Return what a person is told, with the places in the files the gateway knows nothing of."""
    failure = client.failure(error, address)
    _, violations = client.details(error)
    if not violations:
        return failure
    lines = []
    for field, description in violations:
        place = given.locate(field)
        lines.append(
            f"{place}: {field}: {description}" if place else f"{field}: {description}" if field else description
        )
    return Failure(failure.code, failure.message, lines)


def _print(response: config_service_pb2.ApplyConfigResponse, given: Input, *, dry_run: bool) -> None:
    console = output()
    changed: set[str] = set()
    counts: dict[str, int] = {}
    for change in response.changes:
        changed.add(change.name)
        word = show.enum_word(change, "kind").lower() or "changed"
        counts[word] = counts.get(word, 0) + 1
        fields = f" ({', '.join(change.fields)})" if change.fields else ""
        console.print(Text.assemble((f"{word:<10}", _STYLES.get(word, "")), clean(f"{change.name}{fields}")))
    for name in given.names:
        if name not in changed:
            console.print(Text(clean(f"{'unchanged':<10}{name}"), style="dim"))
    if dry_run:
        note("dry run: the gateway would take this; nothing was changed")
    elif changed:
        note(f"{count(len(changed), 'changes')}, revision {response.config.revision} is in force")
    else:
        note("nothing to change")
