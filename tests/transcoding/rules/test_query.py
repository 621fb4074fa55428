from __future__ import annotations

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from edge.model.errors import InvalidRequest
from tests.transcoding.rules.schema import new, shop_message
from transcoding.rules.fields import Tables
from transcoding.rules.query import DEEPEST, MOST_COMPLAINTS, QueryBinder, Unknown

SHELF = Tables().of(shop_message("Shelf"))
UPDATE = Tables().of(shop_message("UpdateShelfRequest"))
BINDER = QueryBinder(SHELF)


def shelf() -> Message:
    return new(shop_message("Shelf"))


def bound(query: str, binder: QueryBinder = BINDER, *, unknown: Unknown = "refuse") -> dict[str, object]:
    message = new(shop_message("Shelf" if binder is BINDER else "UpdateShelfRequest"))
    binder.bind(message, query, unknown=unknown)
    found: dict[str, object] = json_format.MessageToDict(message)
    return found


def refused(query: str, binder: QueryBinder = BINDER, *, unknown: Unknown = "refuse") -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as error:
        bound(query, binder, unknown=unknown)
    return [(violation.field, violation.description) for violation in error.value.violations]


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("", {}),
        ("&&name=a&", {"name": "a"}),
        ("name=a+b%2Bc", {"name": "a b+c"}),
        ("name=a=b", {"name": "a=b"}),
        ("name", {}),
        ("person=", {"person": ""}),
        ("count=0", {"count": 0}),
        ("tags=b&name=x&tags=&tags=a", {"name": "x", "tags": ["b", "", "a"]}),
        ("themes=FICTION&themes=2", {"themes": ["FICTION", "SCIENCE"]}),
        ("place.room=1&place.within.within.floor=2", {"place": {"room": "1", "within": {"within": {"floor": 2}}}}),
        ("place.floor=0", {"place": {}}),
        ("office.room=1&office.floor=2", {"office": {"room": "1", "floor": 2}}),
        ("opened=1970-01-01T00:00:00Z", {"opened": "1970-01-01T00:00:00Z"}),
        ("opened=2000-01-01T00:00:00%2B01:00", {"opened": "1999-12-31T23:00:00Z"}),
        ("limit=0", {"limit": 0}),
        ("labels[a]=1&labels%5Bb.c%5D=&labels[]=3", {"labels": {"a": "1", "b.c": "", "": "3"}}),
        ("labels[[x]]=1", {"labels": {"[x]": "1"}}),
        ("times[a]=1970-01-01T00:00:00Z", {"times": {"a": "1970-01-01T00:00:00Z"}}),
        ("meta=%7B%22a%22:1%7D&note=null&list=[1]", {"meta": {"a": 1.0}, "note": None, "list": [1.0]}),
        ("odd=1", {"even": "1"}),
        ("even=1", {"even": "1"}),
        ("n%61me=%C3%A9", {"name": "é"}),
        ("name=é", {"name": "é"}),
    ],
)
def test_parameters_set_fields(query: str, value: dict[str, object]) -> None:
    assert bound(query) == value


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("nmae=a", "nmae", "shop.v1.Shelf has no field `nmae`; did you mean `name`?"),
        ("place.flor=1", "place.flor", "shop.v1.Place has no field `flor`; did you mean `floor`?"),
        ("=a", "", "has no field ``"),
        ("place..floor=1", "place..floor", "has no field ``"),
        (".name=1", ".name", "has no field ``"),
        ("name.x=1", "name.x", "`name` is a string and has no fields; write `name=value`"),
        ("tags.x=1", "tags.x", "`tags` is a string and has no fields"),
        ("opened.seconds=1", "opened.seconds", "is written as one value; write `opened=value`"),
        ("former.room=1", "former.room", "a repeated shop.v1.Place, which has no form in a query"),
        ("former=1", "former", "a repeated shop.v1.Place, which has no form in a query; send it in a body"),
        ("limits=1", "limits", "a repeated google.protobuf.Int32Value, which has no form in a query"),
        ("places[1]=x", "places[1]", "map<int32, shop.v1.Place>, which has no form in a query"),
        ("places.room=x", "places.room", "write `places[key]=value`"),
        ("labels=x", "labels", "it is a map<string, string>; write `labels[key]=value`"),
        ("labels[a=x", "labels[a", "the key is not closed; write `labels[key]=value`"),
        ("labels[a].b=x", "labels[a].b", "the key is not closed"),
        ("name[a]=x", "name[a]", "it is a string and no map; write `name=value`"),
        ("place[a]=x", "place[a]", "it is the message shop.v1.Place; name its fields, such as `place.room`"),
        ("place=x", "place", "it is the message shop.v1.Place; name its fields, such as `place.room`"),
        ("nothing=x", "nothing", "it is the message google.protobuf.Empty; it has no fields to set"),
        ("count=1&count=2", "count", "it is given twice"),
        ("odd=1&even=2", "even", "it is given twice"),
        ("labels[a]=1&labels[a]=2", "labels[a]", "it is given twice"),
        ("place.floor=1&place.floor=1", "place.floor", "it is given twice"),
        ("person=a&office.floor=1", "office.floor", "only one of the oneof `owner` can be set, and `person` is"),
        ("place.floor=x", "place.floor", "`x` is no int32"),
        ("count=", "count", "`` is no int32"),
        ("digest=a+b", "digest", "write %2B for `+`"),
        ("name=%zz", "name", "the query is not well encoded: '%zz' is no percent-escape"),
        ("name=%ff", "name", "the byte %FF is no UTF-8"),
        ("%ff=1", "%ff", "the byte %FF is no UTF-8"),
        ("na%0Ame=1", "na\\nme", "has no field"),
        ("name=\udcff", "name", "no UTF-8"),
    ],
)
def test_what_is_wrong_is_refused_with_the_parameter(query: str, field: str, words: str) -> None:
    violations = refused(query)
    assert [name for name, _ in violations] == [field]
    assert words in violations[0][1]


def test_all_that_is_wrong_is_said_up_to_a_bound() -> None:
    assert [name for name, _ in refused("count=x&name=a&theme=y")] == ["count", "theme"]
    assert len(refused("&".join(f"unknown{number}=1" for number in range(500)))) == MOST_COMPLAINTS


def test_names_and_values_are_quoted_short() -> None:
    (field, description), *_ = refused(f"{'x' * 5000}=1")
    assert len(field) < 200
    assert len(description) < 1000


def test_a_field_may_not_be_nested_deeper_than_protobuf_takes() -> None:
    deep = ".".join(["place", *["within"] * (DEEPEST - 2), "floor"])
    message = shelf()
    BINDER.bind(message, f"{deep}=1")
    assert shelf().FromString(message.SerializeToString()) == message
    ((_, description),) = refused(f"place.{deep.replace('place', 'within')}=1")
    assert "nested more than" in description


def test_a_hint_has_the_style_of_the_name() -> None:
    update = QueryBinder(UPDATE)
    assert "`allowMissing`" in refused("allowMising=true", update)[0][1]
    assert "`allow_missing`" in refused("allow_mising=true", update)[0][1]


def test_unknown_parameters_are_reported_when_asked_for() -> None:
    message = shelf()
    said: list[str] = []
    BINDER.bind(message, "nmae=a&name=b&place.flor=1", unknown="report", report=said.append)
    assert json_format.MessageToDict(message) == {"name": "b"}
    assert said == [
        "nmae: shop.v1.Shelf has no field `nmae`; did you mean `name`?",
        "place.flor: shop.v1.Place has no field `flor`; did you mean `floor`?",
    ]


def test_reports_are_bounded() -> None:
    said: list[str] = []
    BINDER.bind(shelf(), "&".join(f"x{number}" for number in range(100)), unknown="report", report=said.append)
    assert len(said) == MOST_COMPLAINTS


def test_unknown_parameters_are_ignored_when_asked_for_but_wrong_values_are_not() -> None:
    assert bound("nmae=a&filter[x]=1&name=b", unknown="ignore") == {"name": "b"}
    assert refused("nmae=a&count=x", unknown="ignore") == [("count", "`x` is no int32; write a decimal integer")]
    assert refused("name.x=1", unknown="ignore")


def test_ignored_parameters_are_never_looked_at() -> None:
    message = shelf()
    BINDER.bind(message, "%24alt=json&key=%20&name=a", ignored=frozenset({"$alt", "key"}))
    assert json_format.MessageToDict(message) == {"name": "a"}


def test_what_the_path_sets_is_not_set_by_the_query() -> None:
    shelf_field = UPDATE.own["shelf"]
    assert shelf_field.table is not None
    binder = QueryBinder(UPDATE, bound=[(shelf_field, shelf_field.table.own["name"]), (UPDATE.own["text"],)])
    assert "the path sets it already" in refused("shelf.name=a", binder)[0][1]
    assert "the path sets it already" in refused("text=a", binder)[0][1]
    assert "only one of the oneof `reason`" in refused("where.floor=1", binder)[0][1]
    assert bound("shelf.theme=FICTION", binder) == {"shelf": {"theme": "FICTION"}}


def test_what_the_body_sets_is_not_set_by_the_query() -> None:
    binder = QueryBinder(UPDATE, body="shelf")
    assert refused("shelf.name=a", binder) == [("shelf.name", "`shelf` is the body of the request; send it there")]
    assert bound("updateMask=name,theme", binder) == {"updateMask": "name,theme"}
    assert "only one of the oneof `reason`" in refused("text=a", QueryBinder(UPDATE, body="where"))[0][1]
    assert "is the body of the request" in refused("text=a", QueryBinder(UPDATE, body="text"))[0][1]


def test_a_body_that_is_the_whole_request_leaves_no_parameters() -> None:
    binder = QueryBinder(UPDATE, body="*")
    assert "the body is the whole request" in refused("allow_missing=true", binder)[0][1]
    assert bound("allow_missing=true", binder, unknown="ignore") == {}
