"""Messages as JSON or YAML, and their parts in a few words."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from edge.commands.terminal import write
from edge.control.yaml_dump import dump, to_dict
from edge.control.yaml_scalars import enum_prefix
from gateway.v1 import route_pb2


class Format(enum.StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Shown = Message | list[Any] | dict[str, Any] | str | int | float | bool | None


def structured(value: Shown, form: Format) -> None:
    """Print messages, and lists and mappings of them, as JSON or YAML.

    JSON has the names of the protobuf JSON mapping, YAML those of edge.yaml, and reads back with `edge apply`.
    """
    if form is Format.YAML:
        write(dump(_plain(value, form)))
    else:
        write(json.dumps(_plain(value, form), indent=2, ensure_ascii=False))


def line(message: Message) -> str:
    """Return a message as JSON on one line."""
    return json.dumps(_plain(message, Format.JSON), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Shown, form: Format) -> Any:
    if isinstance(value, Message):
        return to_dict(value) if form is Format.YAML else MessageToDict(value)
    if isinstance(value, dict):
        return {key: _plain(item, form) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, form) for item in value]
    return value


def enum_word(message: Any, field: str) -> str:
    """Return the value of an enum field without its prefix, or an empty text when it is not given."""
    descriptor = message.DESCRIPTOR.fields_by_name[field].enum_type
    number = getattr(message, field)
    if number == 0:
        return ""
    value = descriptor.values_by_number.get(number)
    return value.name.removeprefix(enum_prefix(descriptor)) if value is not None else str(number)


def origin(resource: Any) -> str:
    """Return where a resource comes from: `api` or its file and line."""
    if resource.origin.file:
        return f"{resource.origin.file}:{resource.origin.line}" if resource.origin.line else str(resource.origin.file)
    return enum_word(resource.origin, "kind").lower()


def match(condition: route_pb2.RouteMatch) -> str:
    """Return what a route asks of a call, in one line."""
    words = [", ".join(condition.hosts)] if condition.hosts else []
    if condition.HasField("grpc"):
        words.append(f"grpc {condition.grpc.service or '*'}/{condition.grpc.method or '*'}")
    elif condition.HasField("http"):
        words.append(f"{','.join(condition.http.methods)} {condition.http.path}".strip())
    words += [f"header {_value(header)}" for header in condition.headers]
    words += [f"?{_value(parameter)}" for parameter in condition.query]
    return " ".join(words) or "any call"


def _value(condition: Any) -> str:
    kind = condition.WhichOneof("value")
    if kind in {None, "present"}:
        return f"{condition.name}" if kind is None or condition.present else f"no {condition.name}"
    return f"{condition.name}={getattr(condition, kind)}{'*' if kind == 'prefix' else ''}"


def action(route: route_pb2.Route) -> str:
    """Return what a route does with a call, in a few words."""
    if route.HasField("forward"):
        targets = route.forward.upstreams
        if len(targets) == 1:
            return short(targets[0].upstream)
        shares = [target.weight if target.HasField("weight") else 1 for target in targets]
        return ", ".join(f"{short(target.upstream)} {share}" for target, share in zip(targets, shares, strict=True))
    if route.HasField("direct_response"):
        return f"answers {route.direct_response.code}"
    if route.HasField("redirect"):
        return f"redirects to {route.redirect.host}{route.redirect.path}"
    return "-"


def short(name: str) -> str:
    """Return the last segment of a resource name."""
    return name.rpartition("/")[2]


def names(values: Iterable[str]) -> str:
    """Return the last segments of resource names, with commas."""
    return ", ".join(short(value) for value in values)


def duration(value: Any) -> str:
    """Return a duration as people write it, as in `1.5s` or `250ms`."""
    seconds = value.seconds + value.nanos / 1e9
    if seconds == 0 or abs(seconds) >= 1:
        return f"{seconds:g}s"
    return f"{seconds * 1e3:.3g}ms"
