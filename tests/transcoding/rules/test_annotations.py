from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from tests.transcoding.rules.schema import pool_of, shop_files
from transcoding.rules.annotations import http_rules


def test_rules_are_read_by_method() -> None:
    rules, problems = http_rules(shop_files())
    assert not problems
    # the imported google files have no services
    assert rules.keys() == {f"shop.v1.Shelves.{name}" for name in ("Update", "Get", "Send")}
    assert rules["shop.v1.Shelves.Update"].body == "shelf"
    assert rules["shop.v1.Shelves.Get"].additional_bindings[0].get == "/v1/shelf"


def foreign(file: FileDescriptorProto) -> Any:
    """Return a file as a parser of another pool has it, which never heard of google/api/annotations.proto."""
    pool = DescriptorPool()
    pool.AddSerializedFile(FileDescriptorProto.DESCRIPTOR.file.serialized_pb)
    parser = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorProto"))
    return parser.FromString(file.SerializeToString())


def test_rules_among_the_unknown_fields_are_read_too() -> None:
    files = [foreign(file) for file in shop_files()]
    assert not files[-1].service[0].method[0].options.ListFields()
    assert http_rules(files)[0] == http_rules(shop_files())[0]


def test_a_file_that_went_through_a_pool_keeps_its_rules() -> None:
    copied = FileDescriptorProto()
    pool_of(shop_files()).FindFileByName("test.proto").CopyToProto(copied)
    assert http_rules([copied])[0].keys() == http_rules(shop_files())[0].keys()


def test_bytes_that_are_no_rule_are_a_problem_of_their_method_only() -> None:
    file = FileDescriptorProto(name="a.proto", package="a")
    service = file.service.add(name="S")
    for name in ("Plain", "Good", "Bad"):
        service.method.add(name=name, input_type=".a.A", output_type=".a.A")
    read = foreign(file)
    # the tag of google.api.http, and a text in it: one that is there, one that ends too early
    tag = b"\x82\xd3\xe4\x93\x02"
    read.service[0].method[1].options.MergeFromString(tag + b"\x04\x12\x02/a")
    read.service[0].method[2].options.MergeFromString(tag + b"\x02\x12\x05")
    rules, problems = http_rules([read])
    assert {name: rule.get for name, rule in rules.items()} == {"a.S.Good": "/a"}
    assert [problem.method for problem in problems] == ["a.S.Bad"]
