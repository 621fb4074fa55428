"""The service each case gets: one method a rule, with the rule as its annotation, and messages for path variables."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from google.api import annotations_pb2, http_pb2
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from tests.corpus.cases import Case, Json
from tests.corpus.descriptors import Schemas, camel, file_name

NOTHING = "google.protobuf.Empty"
"""What methods answer whose requests are what matters: some requests have no JSON form that could be answered."""

ANNOTATIONS = "google/api/annotations.proto"
VERBS = {"GET": "get", "PUT": "put", "POST": "post", "DELETE": "delete", "PATCH": "patch"}
VARIABLE = re.compile(r"\{\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")
NOT_OF_RULES = {"client_streaming", "server_streaming", "rule", "key", "name"}
TEMPLATE_KINDS = ("bad_template", "good_template")


@dataclass(frozen=True)
class Method:
    """One method of a case."""

    name: str
    """Its name in the service."""

    rule: http_pb2.HttpRule
    """Its rule, without selector."""

    request: str
    """The full name of its request message."""

    response: str
    """The full name of its response message."""

    client_streaming: bool = False
    """Whether requests are a stream."""

    server_streaming: bool = False
    """Whether responses are a stream."""

    variables: tuple[str, ...] | None = None
    """The field paths a request message is to be made for, or None when the message is one of the file's."""


def methods(case: Case) -> list[Method]:
    """Return the methods of a case, one a rule."""
    raw = case.raw
    if "templates" in raw:
        return [
            _made(case, f"M{number}", http_rule({"method": entry["method"], "template": entry["template"]}))
            for number, entry in enumerate(raw["templates"])
        ]
    if case.kind in TEMPLATE_KINDS:
        if "template" in raw:
            return [_made(case, "M0", http_pb2.HttpRule(get=raw["template"]))]
        rules = raw["rules"] if "rules" in raw else [raw["rule"]]
        return [_ruled(case, f"M{number}", rule) for number, rule in enumerate(rules)]
    if case.http:
        message = raw["message"]
        rule = http_rule(case.http)
        found = Method("M0", rule, message, NOTHING)
        if case.kind == "response":
            found = replace(
                found, response=message, request=f"{case.package}.M0Message", variables=variables(template(rule))
            )
        return [_streaming(found, case.http)]
    # a case about a status: what is asked and answered does not matter
    return [
        Method("M0", http_pb2.HttpRule(get="/get"), "google.protobuf.Struct", "google.protobuf.Struct"),
        Method("M1", http_pb2.HttpRule(post="/post", body="*"), "google.protobuf.Struct", "google.protobuf.Struct"),
    ]


def _made(case: Case, name: str, rule: http_pb2.HttpRule) -> Method:
    message = f"{case.package}.{name}Message"
    return Method(name, rule, message, message, variables=variables(template(rule)))


def _ruled(case: Case, name: str, raw: Json) -> Method:
    raw = {**raw, **raw["rule"]} if "rule" in raw else raw
    fields = {name: value for name, value in raw.items() if name not in NOT_OF_RULES}
    given = fields.pop("input", case.raw.get("input"))
    answered = fields.pop("output", case.raw.get("output")) or given
    rule = http_rule(raw) if "template" in raw else json_format.ParseDict(fields, http_pb2.HttpRule())
    if given is None:
        return _streaming(_made(case, name, rule), raw)
    return _streaming(Method(name, rule, given, answered), raw)


def _streaming(method: Method, raw: Json) -> Method:
    sides = {side: bool(raw.get(side)) for side in ("client_streaming", "server_streaming")}
    return replace(method, client_streaming=sides["client_streaming"], server_streaming=sides["server_streaming"])


def http_rule(raw: Json) -> http_pb2.HttpRule:
    """Return the rule of the form `{method, template, body, response_body, additional_bindings}`."""
    rule = http_pb2.HttpRule(body=raw.get("body", ""), response_body=raw.get("response_body", ""))
    if (verb := VERBS.get(raw["method"])) is not None:
        setattr(rule, verb, raw["template"])
    else:
        rule.custom.kind, rule.custom.path = raw["method"], raw["template"]
    rule.additional_bindings.extend(http_rule(more) for more in raw.get("additional_bindings", ()))
    return rule


def template(rule: http_pb2.HttpRule) -> str:
    """Return the template of a rule."""
    kind = rule.WhichOneof("pattern")
    return "" if kind is None else rule.custom.path if kind == "custom" else str(getattr(rule, kind))


def variables(text: str) -> tuple[str, ...]:
    """Return the field paths of the variables in a template, also in one that is wrong elsewhere."""
    return tuple(dict.fromkeys(VARIABLE.findall(text)))


def file(case: Case, schemas: Schemas, *, annotated: bool = True) -> FileDescriptorProto:
    """Return the file that defines the service of a case.

    Args:
        case: The case.
        schemas: The types of the corpus.
        annotated: Whether the rules are the methods' annotations.

    Raises:
        ValueError: a message the case names is not known.
    """
    found = FileDescriptorProto(name=file_name(case.package), package=case.package, syntax="proto3")
    service = found.service.add(name=case.service.rpartition(".")[2])
    needs = {ANNOTATIONS}
    for method in methods(case):
        made = service.method.add(
            name=method.name,
            input_type=f".{method.request}",
            output_type=f".{method.response}",
            client_streaming=method.client_streaming,
            server_streaming=method.server_streaming,
        )
        if annotated:
            made.options.Extensions[annotations_pb2.http].CopyFrom(method.rule)
        if method.variables is not None:
            paths = [variable.split(".") for variable in method.variables]
            found.message_type.append(_message(method.request.rpartition(".")[2], f".{case.package}", paths))
        else:
            needs.add(schemas.home(method.request))
        if method.response != method.request:
            needs.add(schemas.home(method.response))
    found.dependency.extend(sorted(needs))
    return found


def _message(name: str, scope: str, paths: list[list[str]]) -> DescriptorProto:
    """Return a message with a string field for every path and a message for every step on the way."""
    found = DescriptorProto(name=name)
    for number, first in enumerate(dict.fromkeys(path[0] for path in paths), start=1):
        field = found.field.add(name=first, number=number, json_name=camel(first))
        field.label = FieldDescriptorProto.LABEL_OPTIONAL
        deeper = [path[1:] for path in paths if path[0] == first and len(path) > 1]
        if deeper:
            field.type = FieldDescriptorProto.TYPE_MESSAGE
            nested = _message(f"In_{first}", f"{scope}.{name}", deeper)
            field.type_name = f"{scope}.{name}.{nested.name}"
            found.nested_type.append(nested)
        else:
            field.type = FieldDescriptorProto.TYPE_STRING
    return found
