from __future__ import annotations

from google.protobuf import descriptor_pb2

from edge.model.schema import SchemaSet, SchemaVersion, Shape


def file(name: str, *services: str) -> bytes:
    proto = descriptor_pb2.FileDescriptorProto(name=name, package="shop.v1")
    for service in services:
        added = proto.service.add(name=service)
        for method, client, server in (
            ("One", False, False),
            ("Up", True, False),
            ("Down", False, True),
            ("Both", True, True),
        ):
            added.method.add(
                name=method,
                input_type=".shop.v1.In",
                output_type=".shop.v1.Out",
                client_streaming=client,
                server_streaming=server,
            )
    return proto.SerializeToString()


def test_methods_are_found_by_their_path_with_their_shape() -> None:
    schema = SchemaSet.of([file("a.proto", "Shop")])
    assert {path: method.shape for path, method in schema.methods.items()} == {
        "/shop.v1.Shop/One": Shape.UNARY,
        "/shop.v1.Shop/Up": Shape.CLIENT_STREAM,
        "/shop.v1.Shop/Down": Shape.SERVER_STREAM,
        "/shop.v1.Shop/Both": Shape.BIDI_STREAM,
    }
    assert schema.methods["/shop.v1.Shop/One"].input_type == "shop.v1.In"


def test_only_what_is_offered_counts() -> None:
    schema = SchemaSet.of([file("a.proto", "Shop", "Secret")], offered=["shop.v1.Shop"])
    assert list(schema.services) == ["shop.v1.Shop"]


def test_the_hash_does_not_depend_on_the_order_but_on_the_content() -> None:
    one, two = file("a.proto", "Shop"), file("b.proto", "Other")
    assert SchemaSet.of([one, two]).hash == SchemaSet.of([two, one]).hash
    assert SchemaSet.of([one]).hash != SchemaSet.of([two]).hash
    assert SchemaSet.of([]).hash == ""


def test_of_two_files_with_one_name_the_first_counts() -> None:
    schema = SchemaSet.of([file("a.proto", "Shop"), file("a.proto", "Other")])
    assert list(schema.services) == ["shop.v1.Shop"]


def test_a_set_that_serves_less_or_describes_less_has_another_hash() -> None:
    data = file("a.proto", "Shop", "Secret")
    whole = SchemaSet.of([data])
    assert SchemaSet.of([data], offered=["shop.v1.Shop", "shop.v1.Secret"]).hash == whole.hash
    assert SchemaSet.of([data], offered=["shop.v1.Shop"]).hash != whole.hash
    assert SchemaSet.of([data], lacking={"shop.v1.Other": "why"}).hash != whole.hash
    assert SchemaSet.of([data], lacking={"shop.v1.Shop": "why"}).hash == whole.hash, "it is described after all"


def test_idempotence_is_read_from_the_options() -> None:
    made = descriptor_pb2.FileDescriptorProto(name="a.proto", syntax="proto3")
    made.message_type.add(name="M")
    service = made.service.add(name="S")
    for level in ("IDEMPOTENCY_UNKNOWN", "IDEMPOTENT", "NO_SIDE_EFFECTS"):
        method = service.method.add(name=level, input_type=".M", output_type=".M")
        method.options.idempotency_level = level  # type: ignore[assignment] # the runtime takes names
    methods = SchemaSet.of([made.SerializeToString()]).services["S"]
    assert [(method.idempotent, method.side_effect_free) for method in methods] == [
        (False, False),
        (True, False),
        (True, True),
    ]


def test_a_version_is_told_in_words() -> None:
    version = SchemaVersion(hash="ab", endpoints=("h:1", "h:2"), differences=("lacks a.B.C", "adds a.B.D"))
    assert version.words() == "h:1, h:2 lacks a.B.C, adds a.B.D"
    assert version.words(1) == "h:1 and 1 more lacks a.B.C and 1 more"
