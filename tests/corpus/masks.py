"""The update mask that a gateway may make of the body of a PATCH (AIP-134), where a case does not speak of it.

The corpus took such cases from grpc-gateway's tests, which look at the resource and not at the mask; that gateway fills
it all the same. So a mask is no difference, but it has to be what the body names.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from tests.corpus.cases import Json
from tests.corpus.compare import parse_json
from tests.corpus.requests import Sent

FIELD = "update_mask"


def made_mask(http: Json, expected: Any, message: Message, sent: Sent) -> set[str]:
    """Return the paths a mask has to hold.

    It is empty when there was none to make or none was made: the request is no PATCH of a field, or the case itself
    says what the mask is.

    Args:
        http: The rule.
        expected: The JSON of the case.
        message: The request message the upstream got.
        sent: The request.
    """
    field = message.DESCRIPTOR.fields_by_name.get(FIELD)
    if http.get("method") != "PATCH" or field is None or http.get("body", "*") == "*":
        return set()
    if field.message_type is None or field.message_type.full_name != "google.protobuf.FieldMask":
        return set()
    if {FIELD, field.json_name} & expected.keys() or not message.HasField(FIELD):
        return set()
    resource: Any = message.DESCRIPTOR.fields_by_name[http["body"]].message_type
    return set() if resource is None else named(resource, parse_json(sent.request.body or b"null"))


def named(resource: Descriptor, tree: Any, prefix: str = "") -> set[str]:
    """Return the paths that JSON names: leaves by proto names, with maps, lists and well-known types as a whole."""
    fields = {name: field for field in resource.fields for name in (field.json_name, field.name)}
    found: set[str] = set()
    for name, value in (tree if isinstance(tree, dict) else {}).items():
        if (field := fields.get(name)) is None:
            continue
        nested = field.message_type
        plain = nested is not None and not field.is_repeated and not nested.full_name.startswith("google.protobuf.")
        if plain and nested is not None and isinstance(value, dict) and value:
            found |= named(nested, value, f"{prefix}{field.name}.")
        else:
            found.add(prefix + field.name)
    return found
