"""Which descriptors count when endpoints disagree, and what is said of the others."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor_pb2

from edge.model.schema import SchemaSet
from edge.upstream.versions import MAX_DIFFERENCES, choose, differences, harmful, quoted, spoils
from tests.support.shop import SHOP, shop_file


def schema(*files: descriptor_pb2.FileDescriptorProto, lacking: dict[str, str] | None = None) -> SchemaSet:
    return SchemaSet.of([file.SerializeToString() for file in files], lacking=lacking)


OLD = schema(shop_file("Get"))
NEW = schema(shop_file("Get", "Buy"))
ASIDE = schema(shop_file("Get", "Sell"))
WIDER = schema(shop_file("Get", fields=("id", "title")))


@pytest.mark.parametrize(
    ("counts", "in_force", "wanted"),
    [
        ([(OLD, 1)], NEW, OLD),
        ([(OLD, 5), (NEW, 1)], OLD, NEW),
        ([(OLD, 5), (NEW, 1)], NEW, NEW),
        ([(NEW, 2), (ASIDE, 1)], ASIDE, NEW),
        ([(NEW, 1), (ASIDE, 1)], ASIDE, ASIDE),
        ([(NEW, 1), (ASIDE, 1)], NEW, NEW),
        ([(OLD, 1), (WIDER, 2)], OLD, WIDER),
        ([(OLD, 1), (WIDER, 1)], OLD, OLD),
        ([(OLD, 1), (WIDER, 1)], WIDER, WIDER),
    ],
)
def test_a_superset_then_the_majority_then_what_is_in_force(
    counts: list[tuple[SchemaSet, int]], in_force: SchemaSet, wanted: SchemaSet
) -> None:
    for order in (counts, counts[::-1]):
        schemas = {one.hash: one for one, _ in order}
        assert choose(schemas, {one.hash: count for one, count in order}, in_force.hash) is wanted


def test_without_anything_in_force_the_choice_does_not_depend_on_the_order() -> None:
    schemas = {one.hash: one for one in (NEW, ASIDE)}
    back = {one.hash: one for one in (ASIDE, NEW)}
    counts = {NEW.hash: 1, ASIDE.hash: 1}
    assert choose(schemas, counts, "") is choose(back, counts, "")


def test_methods_that_cannot_be_described_do_not_make_a_superset() -> None:
    broken = shop_file("Get", "Buy")
    broken.message_type[0].field.add(
        name="x", number=9, type="TYPE_MESSAGE", type_name=".no.No", label="LABEL_OPTIONAL"
    )
    bad = schema(broken)
    assert choose({bad.hash: bad, OLD.hash: OLD}, {bad.hash: 1, OLD.hash: 1}, bad.hash) is OLD
    assert spoils(bad, OLD) == [SHOP]
    assert spoils(bad, bad) == []
    assert spoils(schema(shop_file("Count", service="Stock")), OLD) == [], "a service that is gone is not spoilt"


def streaming(file: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    file.service[0].method[0].server_streaming = True
    return file


def retyped(file: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    file.message_type.add(name="Other")
    file.service[0].method[0].output_type = ".shop.v1.Other"
    return file


def with_enum(*values: str) -> SchemaSet:
    file = shop_file("Get")
    enum = file.message_type[0].enum_type.add(name="Kind")
    for number, value in enumerate(values):
        enum.value.add(name=value, number=number)
    return schema(file)


@pytest.mark.parametrize(
    ("other", "in_force", "words", "harm"),
    [
        (OLD, NEW, ("lacks shop.v1.Shop.Buy",), True),
        (NEW, OLD, ("adds shop.v1.Shop.Buy",), False),
        (ASIDE, NEW, ("lacks shop.v1.Shop.Buy", "adds shop.v1.Shop.Sell"), True),
        (schema(streaming(shop_file("Get"))), OLD, ("has shop.v1.Shop.Get as server stream, not unary",), True),
        (schema(retyped(shop_file("Get"))), OLD, ("has shop.v1.Shop.Get with other messages",), True),
        (WIDER, OLD, ("has shop.v1.ShopItem with title",), False),
        (OLD, WIDER, ("has shop.v1.ShopItem without title",), False),
        (schema(shop_file("Get", fields=("title",))), OLD, ("has shop.v1.ShopItem without id and with title",), False),
        (
            schema(shop_file("Get", fields=("title", "id"))),
            WIDER,
            ("has shop.v1.ShopItem with another id, title",),
            False,
        ),
        (with_enum("A", "B"), with_enum("A"), ("has shop.v1.ShopItem.Kind with B",), False),
        (schema(shop_file("Get"), shop_file(service="Stock")), OLD, ("has other files",), False),
        (
            schema(shop_file(service="Stock"), lacking={SHOP: "it does not parse"}),
            schema(shop_file("Get"), shop_file(service="Stock")),
            ("cannot describe shop.v1.Shop: it does not parse",),
            False,
        ),
    ],
)
def test_differences_are_words_that_follow_an_address(
    other: SchemaSet, in_force: SchemaSet, words: tuple[str, ...], harm: bool
) -> None:
    assert differences(other, in_force) == words
    assert harmful(other, in_force) is harm


def test_options_alone_are_a_difference_of_the_file() -> None:
    file = shop_file("Get")
    file.options.java_package = "shop"
    assert differences(schema(file), OLD) == ("differs in shop/v1/shop.proto",)


def test_many_differences_are_cut() -> None:
    many = schema(shop_file("Get", *(f"M{number}" for number in range(100))))
    found = differences(OLD, many)
    assert len(found) == MAX_DIFFERENCES + 1
    assert found[-1] == "has 80 more differences"
    assert quoted(found) == "lacks shop.v1.Shop.M0, lacks shop.v1.Shop.M1, lacks shop.v1.Shop.M10 and 18 more"
