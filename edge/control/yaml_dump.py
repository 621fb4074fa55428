"""Messages as YAML that `yaml_config` reads back to the same message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from edge.control.yaml_scalars import looks_special
from edge.control.yaml_substitute import escape

_BASE: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_BASE):  # type: ignore[misc] # which of the two bases it is, is known at run time
    """Quotes what YAML 1.2 would not read as a text, where PyYAML goes by 1.1."""


def _represent_text(dumper: Any, text: str) -> Any:
    style = "'" if looks_special(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.ignore_aliases = lambda _self, _data: True


def to_dict(message: Message) -> dict[str, Any]:
    """Return a message by the protobuf JSON mapping, with the names of the proto as in edge.yaml."""
    mapping: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return mapping


def dump(value: Message | dict[str, Any]) -> str:
    """Return a message, or what `to_dict` made of one, as YAML. `${` is written as `$${`, so it reads back."""
    return dump_all([value])


def dump_all(values: Iterable[Message | dict[str, Any]]) -> str:
    """Return several messages as YAML documents."""
    dicts = [_escaped(to_dict(value) if isinstance(value, Message) else value) for value in values]
    text: str = yaml.dump_all(dicts, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return escape(value) if isinstance(value, str) else value
