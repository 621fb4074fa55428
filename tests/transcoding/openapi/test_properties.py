"""What a document says is what the codec does: for every kind of field, in both directions."""

from __future__ import annotations

import json
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edge.model.errors import InvalidRequest
from edge.model.transcoding import JsonOptions, Strictness, Transcoding
from tests.transcoding.codec import random_messages
from tests.transcoding.codec.schema import MESSAGES
from tests.transcoding.openapi.described import (
    BEYOND_SCHEMAS,
    component,
    described,
    every_message,
    operations,
    rules_of,
    validator,
)
from transcoding.rest.rule import RestRule

OPTIONS = {
    "plain": Transcoding(),
    "names": Transcoding(json=JsonOptions(proto_field_names=True, strip_enum_prefix=True)),
    "numbers": Transcoding(json=JsonOptions(enums_as_numbers=True, print_defaults=True)),
    "lenient": Transcoding(strictness=Strictness.LENIENT, json=JsonOptions(print_defaults=True)),
}
DOCUMENTS = {name: described(every_message(), options) for name, options in OPTIONS.items()}
RULES = {name: rules_of(every_message(), options) for name, options in OPTIONS.items()}

every_option = pytest.mark.parametrize("option", OPTIONS)
every_body = pytest.mark.parametrize("name", MESSAGES)


def rule(option: str, name: str, verb: str = "POST") -> RestRule:
    (found,) = [
        one for one in RULES[option] if one.binding.verb == verb and one.binding.method.input_type.full_name == name
    ]
    return found


def without_unknown_enums(message: Any) -> Any:
    """Set the fields of open enums that hold a number without a name to their default: schemas list names only."""
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            inner = field.message_type.fields_by_name["value"]
            for key in list(value):
                if inner.message_type is not None:
                    without_unknown_enums(value[key])
                elif inner.enum_type is not None and value[key] not in inner.enum_type.values_by_number:
                    value[key] = inner.enum_type.values[0].number
        elif field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                without_unknown_enums(one)
        elif field.enum_type is not None:
            known = field.enum_type.values_by_number
            if field.is_repeated:
                value[:] = [one if one in known else field.enum_type.values[0].number for one in value]
            elif value not in known:
                setattr(message, field.name, field.enum_type.values[0].number)
    return message


@every_option
@every_body
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_the_codec_prints_is_what_the_document_says(option: str, name: str, seed: int) -> None:
    found = rule(option, name)
    message = random_messages.message(Random(seed), found.binding.method.output_type)
    printed = json.loads(found.text(without_unknown_enums(message)))
    problems = [str(error) for error in component(DOCUMENTS[option], name).iter_errors(printed)]
    assert problems == []


@every_option
def test_every_example_fits_its_schema_and_the_codec_takes_it(option: str) -> None:
    made = DOCUMENTS[option]
    by_path = {(one.binding.pattern): one for one in RULES[option]}
    seen = 0
    for path, verb, operation in operations(made):
        taken = by_path[f"{verb.upper()} {path}"]
        answer = operation["responses"]["200"]["content"]["application/json"]
        validator(made, answer["schema"]).validate(answer["example"])
        taken.offer.codec.parse_tree(taken.binding.method.output_type, answer["example"])
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]
            validator(made, body["schema"]).validate(body["example"])
            taken.message({}, "", body["example"])
            seen += 1
        pairs = [(one["name"], one["example"]) for one in operation.get("parameters", []) if "example" in one]
        for one in operation.get("parameters", []):
            if "example" in one:
                validator(made, one["schema"]).validate(one["example"])
        chosen = {one["name"]: one for one in operation.get("parameters", [])}
        for key, value in pairs:
            assert key in chosen
            taken.message({}, urlencode({key: _text(value)}), None)
    assert seen == len(MESSAGES)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def refusals(found: RestRule, query: str, tree: Any) -> list[str]:
    """Return why a request is refused; nothing when it is taken."""
    try:
        found.message({}, query, tree)
    except InvalidRequest as error:
        return [one.description for one in error.violations]
    return []


def unexpected(wrong: list[str]) -> list[str]:
    return [words for words in wrong if not BEYOND_SCHEMAS.search(words)]


@every_option
@every_body
def test_the_codec_takes_what_the_document_allows(option: str, name: str) -> None:
    found = rule(option, name)
    taken = 0

    @settings(
        max_examples=20, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(case=schemathesis.openapi.from_dict(DOCUMENTS[option])[f"/{name}"]["POST"].as_strategy())
    def send(case: schemathesis.Case[Any]) -> None:
        nonlocal taken
        tree: Any = case.body if isinstance(case.body, dict) else None
        wrong = refusals(found, "", tree)
        taken += not wrong
        assert unexpected(wrong) == []

    send()
    assert taken


@every_option
@every_body
def test_a_query_takes_what_the_document_allows(option: str, name: str) -> None:
    found = rule(option, name, "GET")
    taken = 0

    @settings(
        max_examples=20, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(case=schemathesis.openapi.from_dict(DOCUMENTS[option])[f"/{name}"]["GET"].as_strategy())
    def send(case: schemathesis.Case[Any]) -> None:
        nonlocal taken
        prepared = requests.Request("GET", "http://test/", params=case.query or {}).prepare()
        query = urlsplit(prepared.url or "").query
        wrong = refusals(found, str(query), None)
        taken += not wrong
        # parameters are described one by one, so nothing says which go together
        assert [words for words in unexpected(wrong) if "only one of the oneof" not in words] == []

    send()
    assert taken
