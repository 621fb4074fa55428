"""Linking files into a pool: what fits is in it, what does not is named."""

from __future__ import annotations

import asyncio
import gc

import pytest
from google.protobuf import descriptor_pb2

from edge.model.linking import _shared, link, link_shared, well_known
from edge.model.schema import SchemaError, SchemaSet
from gateway.v1 import route_service_pb2


def file(name: str, *imports: str, uses: str = "") -> descriptor_pb2.FileDescriptorProto:
    """Return NAME.proto with the message t.NAME, which may have a field of another message."""
    made = descriptor_pb2.FileDescriptorProto(
        name=f"{name}.proto", package="t", syntax="proto3", dependency=[f"{one}.proto" for one in imports]
    )
    message = made.message_type.add(name=name)
    if uses:
        message.field.add(name="f", number=1, type="TYPE_MESSAGE", type_name=f".t.{uses}", label="LABEL_OPTIONAL")
    service = made.service.add(name=f"{name}s")
    service.method.add(name="Get", input_type=f".t.{name}", output_type=f".t.{name}")
    return made


def files(*made: descriptor_pb2.FileDescriptorProto) -> dict[str, bytes]:
    return {one.name: one.SerializeToString() for one in made}


def test_files_are_linked_after_their_imports_in_any_order() -> None:
    linked = link(files(file("A", "B", uses="B"), file("B", "C", uses="C"), file("C")))
    assert not linked.broken
    used = linked.pool.FindMessageTypeByName("t.A").fields_by_name["f"].message_type
    assert used is linked.pool.FindMessageTypeByName("t.B")


def test_what_everybody_has_is_added() -> None:
    made = file("A")
    made.dependency.append("google/protobuf/timestamp.proto")
    made.message_type[0].field.add(
        name="at", number=2, type="TYPE_MESSAGE", type_name=".google.protobuf.Timestamp", label="LABEL_OPTIONAL"
    )
    assert not link(files(made)).broken
    assert well_known("google/../os.proto") is None
    assert well_known("google/protobuf/none.proto") is None
    assert well_known("gateway/v1/route.proto") is None


def test_an_import_that_nothing_needs_may_be_missing() -> None:
    made = file("A", "gone", "B", uses="B")
    made.public_dependency.append(1)
    linked = link(files(made, file("B")))
    assert not linked.broken
    assert linked.pool.FindFileByName("A.proto").public_dependencies[0].name == "B.proto"


def test_the_broken_are_named_with_the_root_and_the_others_stay() -> None:
    linked = link(
        files(file("Good"), file("A", "gone", uses="Gone"), file("B", "A", uses="A"), file("C", "B", uses="B"))
    )
    reason = "its import gone.proto is missing (couldn't resolve name '.t.Gone')"
    assert linked.broken == {
        "A.proto": reason,
        "B.proto": f"it needs A.proto: {reason}",
        "C.proto": f"it needs A.proto: {reason}",
    }
    assert linked.pool.FindMessageTypeByName("t.Good").full_name == "t.Good"


def test_circles_twins_and_nonsense_are_named() -> None:
    assert link(files(file("A", "B"), file("B", "A"))).broken == dict.fromkeys(
        ("A.proto", "B.proto"), "its imports go in a circle"
    )
    twin = file("A")
    twin.name = "Z.proto"
    assert "duplicate symbol" in link(files(file("A"), twin)).broken["Z.proto"]
    odd = file("A")
    odd.syntax = "proto9"
    assert link(files(odd)).broken == {"A.proto": "Invalid syntax 'proto9'"}


def test_sets_with_the_same_files_share_a_pool_while_one_of_them_lives() -> None:
    content = [one.SerializeToString() for one in (file("A"), file("B"))]
    one, two = SchemaSet.of(content), SchemaSet.of(content[::-1])
    assert one.pool() is two.pool()
    assert one.pool() is not SchemaSet.of(content[:1]).pool()
    digest = one.hash
    assert digest in _shared
    del one
    gc.collect()
    assert digest in _shared
    del two
    gc.collect()
    assert digest not in _shared


async def test_threads_that_link_the_same_at_once_get_the_same() -> None:
    content = files(*(file(f"M{number}") for number in range(50)))
    made = await asyncio.gather(*(asyncio.to_thread(link_shared, "at once", content) for _ in range(8)))
    assert len({id(linked) for linked in made}) == 1


def test_a_set_says_which_services_are_broken_and_pools_the_rest() -> None:
    broken = file("A", "gone", uses="Gone")
    schema = SchemaSet.of([broken.SerializeToString(), file("B").SerializeToString()], lacking={"t.X": "nobody knows"})
    assert schema.broken == {
        "t.X": "nobody knows",
        "t.As": "A.proto does not link: its import gone.proto is missing (couldn't resolve name '.t.Gone')",
    }
    assert schema.pool().FindServiceByName("t.Bs").full_name == "t.Bs"
    assert sorted(schema.methods) == ["/t.As/Get", "/t.Bs/Get"]
    with pytest.raises(SchemaError, match=r"A\.proto does not link: its import gone\.proto is missing"):
        SchemaSet.of([broken.SerializeToString()]).pool()
    with pytest.raises(SchemaError, match=r"and 1 more files do not either"):
        SchemaSet.of([broken.SerializeToString(), file("B", "A", uses="A").SerializeToString()]).pool()
    assert SchemaSet().pool() is SchemaSet.of([]).pool()


def test_a_real_api_links_with_all_its_imports() -> None:
    collected: dict[str, bytes] = {}
    waiting = [route_service_pb2.DESCRIPTOR]
    for one in waiting:
        collected[one.name] = one.serialized_pb
        waiting.extend(imported for imported in one.dependencies if imported.name not in collected)
    linked = link(collected)
    assert not linked.broken
    found = linked.pool.FindServiceByName("gateway.v1.RouteService")
    assert found is not route_service_pb2.DESCRIPTOR.services_by_name["RouteService"], "the pool is its own"
