from __future__ import annotations

import pytest

from tests.transcoding.rules.schema import new, shop_message
from transcoding.rules.fields import Tables, is_map, oneofs, type_name


def test_names_are_proto_names_and_json_names() -> None:
    table = Tables().of(shop_message("UpdateShelfRequest"))
    assert table.names["update_mask"] is table.names["updateMask"] is table.own["update_mask"]
    assert "updateMask" not in table.own


def test_each_type_is_compiled_once_and_may_hold_itself() -> None:
    tables = Tables()
    place = tables.of(shop_message("Place"))
    assert place.own["within"].table is place
    assert tables.of(shop_message("Shelf")).own["place"].table is place
    assert tables.of(shop_message("Place")) is place


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("name", "string"),
        ("theme", "shop.v1.Theme"),
        ("places", "map<int32, shop.v1.Place>"),
        ("opened", "google.protobuf.Timestamp"),
        ("count", "int32"),
    ],
)
def test_types_are_named_as_a_proto_file_does(name: str, written: str) -> None:
    assert type_name(shop_message("Shelf").fields_by_name[name]) == written


def test_a_repeated_message_is_no_map() -> None:
    fields = shop_message("Shelf").fields_by_name
    assert is_map(fields["labels"])
    assert not is_map(fields["former"])


def test_a_proto3_optional_is_in_no_oneof() -> None:
    table = Tables().of(shop_message("Shelf"))
    assert table.own["count"].oneof == ""
    assert table.own["person"].oneof == "owner"


def test_oneofs_of_a_nested_field_have_their_full_paths() -> None:
    table = Tables().of(shop_message("UpdateShelfRequest"))
    shelf = table.own["shelf"]
    assert shelf.table is not None
    office = shelf.table.own["office"]
    assert list(oneofs((shelf, office))) == [("shelf.owner", "shelf.office")]


def test_a_field_is_set_from_text_by_what_it_is() -> None:
    shelf = new(shop_message("Shelf"))
    own = Tables().of(shop_message("Shelf")).own
    own["tags"].assign(shelf, "a")
    own["tags"].assign(shelf, "")
    own["limit"].assign(shelf, "3")
    own["labels"].assign_entry(shelf, "k", "v")
    own["times"].assign_entry(shelf, "k", "1970-01-01T00:00:01Z")
    assert own["tags"].repeated
    assert list(getattr(shelf, "tags")) == ["a", ""]  # noqa: B009 # made from a descriptor
    assert {field.name for field, _ in shelf.ListFields()} == {"tags", "limit", "labels", "times"}


def test_a_field_may_have_the_name_of_something_of_python() -> None:
    message = new(shop_message("Odd"))
    own = Tables().of(shop_message("Odd")).own
    own["DESCRIPTOR"].assign(message, "true")
    own["class"].assign(message, "2")
    own["SetInParent"].assign(message, "a")
    assert message.SerializeToString() == b"\x08\x01\x10\x02\x1a\x01a"


def test_a_field_without_text_says_so() -> None:
    shelf = new(shop_message("Shelf"))
    own = Tables().of(shop_message("Shelf")).own
    with pytest.raises(TypeError):
        own["place"].assign(shelf, "x")
    with pytest.raises(TypeError):
        own["name"].assign_entry(shelf, "k", "x")
    with pytest.raises(TypeError):
        own["places"].assign_entry(shelf, "1", "x")
