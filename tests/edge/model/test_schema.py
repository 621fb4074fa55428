from __future__ import annotations

from google.protobuf import descriptor_pb2

from edge.model.schema import SchemaSet, Shape


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
