"""Whether messages and bodies are what a case says. Every function returns what is wrong, or an empty text."""

from __future__ import annotations

import json
import re
from typing import Any

from google.protobuf import json_format, text_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from tests.corpus.cases import Json
from tests.corpus.requests import Sent

CLAUSE = re.compile(r"(?P<field>\w[\w.]*)\s*(?:=|equals|is)\s*(?P<value>.+)")


def same_json(found: Any, expected: Any, path: str = "") -> str:
    """Compare JSON values. `1` is not `"1"` and not `true`; `1` is `1.0`."""
    where = path or "the value"
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in dict.fromkeys((*expected, *found)):
            if key not in found:
                return f"{where} lacks {key!r}: {shown(found)}"
            if key not in expected:
                return f"{where} has {key!r} besides: {shown(found)}"
            if problem := same_json(found[key], expected[key], f"{path}.{key}" if path else key):
                return problem
        return ""
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return f"{where} has {len(found)} items, not {len(expected)}: {shown(found)}"
        pairs = enumerate(zip(found, expected, strict=True))
        return next(filter(None, (same_json(*pair, f"{path}[{number}]") for number, pair in pairs)), "")
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (found, expected)]
    if (all(numbers) or type(found) is type(expected)) and found == expected:
        return ""
    return f"{where} is {shown(found)}, not {shown(expected)}"


def contains_json(found: Any, expected: Any, path: str = "") -> str:
    """Compare JSON values; objects may hold more than expected."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            if key not in found:
                return f"{path or 'the value'} lacks {key!r}: {shown(found)}"
            if problem := contains_json(found[key], value, f"{path}.{key}" if path else key):
                return problem
        return ""
    return same_json(found, expected, path)


def shown(value: Any) -> str:
    """Return a value as JSON, cut short."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 300 else f"{text[:300]}…"


def parse_json(body: bytes) -> Any:
    """Return JSON as RFC 8259 has it: UTF-8, no NaN, one value.

    Raises:
        ValueError: it is not.
    """

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return json.loads(body.decode(), parse_constant=refuse)


def same_message(message: Message, expected: Any, pool: DescriptorPool) -> str:
    """Compare a message with the JSON of a case, by what that JSON means; a float is the nearest float32."""
    made = type(message)()
    try:
        json_format.ParseDict(expected, made, descriptor_pool=pool)
    except json_format.ParseError as error:
        return f"what is expected is no {message.DESCRIPTOR.name}: {error}"
    # by bytes, for a NaN is not equal to itself
    if made.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True):
        return ""
    try:
        found = json_format.MessageToDict(message, descriptor_pool=pool)
    except (json_format.Error, ValueError):
        # a FieldMask may hold paths that have no JSON form
        return f"the message is {text_format.MessageToString(message, as_one_line=True)}, not {shown(expected)}"
    return same_json(found, expected) or f"the message is {shown(found)}, not {shown(expected)}"


def leaves(message: Message, prefix: str = "") -> dict[str, str]:
    """Return the strings within a message by their paths, without empty ones."""
    found: dict[str, str] = {}
    for field, value in message.ListFields():
        if isinstance(value, Message):
            found |= leaves(value, f"{prefix}{field.name}.")
        else:
            found[prefix + field.name] = value
    return found


def same_variables(message: Message, expected: Json) -> str:
    """Compare the variables of a path, which are strings; an empty one is as good as none."""
    return same_json(leaves(message), {name: value for name, value in expected.items() if value != ""})


def rule_problem(rule: str, message: Message, sent: Sent) -> str:
    """Compare a message with a rule in words, as in `name='1', theme is the fill`."""
    for words in rule.split(","):
        clause = CLAUSE.fullmatch(words.strip()) or re.fullmatch(r"(?P<field>\w+) (?P<value>\S+)", words.strip())
        if clause is None:
            return f"unknown rule: {words.strip()}"
        found: Any = message
        for name in clause["field"].split("."):
            if name not in found.DESCRIPTOR.fields_by_name:
                return f"unknown rule, no field {name}: {words.strip()}"
            found = getattr(found, name)
        expected: Any = _meant(clause["value"].strip(), sent)
        if found != expected:
            return f"{clause['field']} is {found!r:.200}, not {expected!r:.200}"
    return ""


def _meant(words: str, sent: Sent) -> str | bytes:
    if re.search(r"\bfill\b", words):
        return sent.fill
    if re.search(r"\bbytes\b", words):
        return sent.data
    if re.search(r"\bcharacter\b", words):
        return sent.fill
    return words.strip("'\"")
