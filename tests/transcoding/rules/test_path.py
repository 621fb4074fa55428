from __future__ import annotations

import pytest
from google.protobuf import json_format

from edge.model.errors import InvalidRequest
from tests.transcoding.rules.schema import new, shop_message
from transcoding.rules.fields import Chain, Tables
from transcoding.rules.path import PathBinder

TABLE = Tables().of(shop_message("UpdateShelfRequest"))


def chain(path: str) -> Chain:
    found = []
    table = TABLE
    for name in path.split("."):
        found.append(table.own[name])
        table = table.own[name].table or table
    return tuple(found)


def test_variables_are_put_into_nested_fields() -> None:
    message = new(shop_message("UpdateShelfRequest"))
    binder = PathBinder([chain("shelf.name"), chain("shelf.place.floor"), chain("allow_missing")])
    binder.bind(message, {"shelf.name": "shelves/1", "shelf.place.floor": "0", "allow_missing": "true"})
    assert json_format.MessageToDict(message) == {"shelf": {"name": "shelves/1", "place": {}}, "allowMissing": True}


def test_every_wrong_variable_is_named() -> None:
    message = new(shop_message("UpdateShelfRequest"))
    binder = PathBinder([chain("shelf.theme"), chain("shelf.place.floor"), chain("shelf.name")])
    with pytest.raises(InvalidRequest) as refused:
        binder.bind(message, {"shelf.theme": "fiktion", "shelf.place.floor": "x", "shelf.name": "a"})
    assert [violation.field for violation in refused.value.violations] == ["shelf.theme", "shelf.place.floor"]
    assert "did you mean `FICTION`?" in refused.value.message
