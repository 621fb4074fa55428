from __future__ import annotations

from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from tests.corpus.cases import Case, Corpus, load
from tests.corpus.descriptors import Schemas, camel, entry_name, with_imports
from tests.corpus.runner import pool
from tests.corpus.services import file, methods, template, variables


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load()


@pytest.fixture(scope="module")
def schemas(corpus: Corpus) -> Schemas:
    return Schemas(corpus.schemas)


def test_every_type_of_the_file_is_found_in_a_pool(corpus: Corpus, schemas: Schemas) -> None:
    found = pool(schemas, [])
    for name, raw in corpus.schemas["messages"].items():
        message = found.FindMessageTypeByName(name)
        assert [field.number for field in message.fields] == [field["number"] for field in raw["fields"]]
        message_factory.GetMessageClass(message)
    for name, values in corpus.schemas["enums"].items():
        enum = found.FindEnumTypeByName(name)
        assert {value.name: value.number for value in enum.values} == values


def test_every_case_has_a_service_with_its_rules(corpus: Corpus, schemas: Schemas) -> None:
    found = pool(schemas, list(corpus.cases))
    for case in corpus.cases:
        service = found.FindServiceByName(case.service)
        made = methods(case)
        assert [method.name for method in service.methods] == [method.name for method in made]
        for method in made:
            described = service.methods_by_name[method.name]
            assert described.input_type.full_name == method.request
            assert described.output_type.full_name == method.response
            assert described.client_streaming is method.client_streaming
            assert described.server_streaming is method.server_streaming
    annotated = file(corpus.cases[0], schemas)
    rule = annotated.service[0].method[0].options.Extensions[annotations_pb2.http]
    assert rule == methods(corpus.cases[0])[0].rule


def test_without_annotations_the_options_are_empty(corpus: Corpus, schemas: Schemas) -> None:
    case = next(corpus.of("good_template"))
    assert not file(case, schemas, annotated=False).service[0].method[0].HasField("options")


def test_fields_of_every_form() -> None:
    made = Schemas(
        {
            "messages": {
                "p.Outer": {
                    "fields": [
                        {"name": "some_text", "number": 1, "type": "string", "label": "optional"},
                        {"name": "many", "number": 2, "type": "p.Outer.Inner", "label": "repeated"},
                        {"name": "by_name", "number": 3, "map": {"key": "string", "value": "p.Outer.Inner"}},
                        {"name": "a", "number": 4, "type": "int32", "oneof": "one"},
                        {"name": "b", "number": 5, "type": "p.Color", "oneof": "one", "json_name": "bee"},
                        {"name": "when", "number": 6, "type": "google.protobuf.Timestamp"},
                        {"name": "null", "number": 7, "type": "google.protobuf.NullValue"},
                        {"name": "day", "number": 8, "type": "google.type.Date"},
                    ],
                    "options": {"deprecated": True},
                },
                "p.Outer.Inner": {"fields": [{"name": "x", "number": 1, "type": "double"}]},
            },
            "enums": {"p.Color": {"MINUS": -1, "ZERO": 0, "RED": 1, "ROUGE": 1}},
        }
    )
    found = descriptor_pool.DescriptorPool()
    for one in with_imports(made.files):
        found.Add(one)
    outer: Any = found.FindMessageTypeByName("p.Outer")
    assert outer.GetOptions().deprecated
    text = outer.fields_by_name["some_text"]
    assert (text.has_presence, text.json_name) == (True, "someText")
    assert text.containing_oneof.name == "_some_text"
    assert outer.fields_by_name["many"].is_repeated
    assert outer.fields_by_name["by_name"].message_type.GetOptions().map_entry
    assert (
        outer.fields_by_name["by_name"].message_type.fields_by_name["value"].message_type.full_name == "p.Outer.Inner"
    )
    assert [field.name for field in outer.oneofs_by_name["one"].fields] == ["a", "b"]
    assert outer.fields_by_name["b"].json_name == "bee"
    assert outer.fields_by_name["null"].enum_type.full_name == "google.protobuf.NullValue"
    assert outer.fields_by_name["day"].message_type.full_name == "google.type.Date"
    assert found.FindEnumTypeByName("p.Color").values[0].name == "ZERO"


def test_files_are_ordered_by_their_imports_and_a_circle_is_refused() -> None:
    def needs(*pairs: tuple[str, str]) -> Schemas:
        fields = {one: [{"name": "f", "number": 1, "type": other}] for one, other in pairs}
        return Schemas({"messages": {name: {"fields": found} for name, found in fields.items()}, "enums": {}})

    assert [one.package for one in needs(("a.M", "b.M"), ("b.M", "string")).files] == ["b", "a"]
    with pytest.raises(ValueError, match="need one another: a, b"):
        needs(("a.M", "b.M"), ("b.M", "a.M"))
    with pytest.raises(ValueError, match=r"no type a\.Missing"):
        needs(("a.M", "a.Missing"))


def test_imports_come_before_what_imports_them() -> None:
    one = FileDescriptorProto(name="x.proto", dependency=["google/api/annotations.proto"])
    names = [found.name for found in with_imports([one])]
    assert names == [
        "google/api/http.proto",
        "google/protobuf/descriptor.proto",
        "google/api/annotations.proto",
        "x.proto",
    ]


@pytest.mark.parametrize(
    ("name", "camel_case", "entry"),
    [("a_b", "aB", "ABEntry"), ("map_value3", "mapValue3", "MapValue3Entry"), ("_x__y", "XY", "XYEntry")],
)
def test_names_are_those_of_protoc(name: str, camel_case: str, entry: str) -> None:
    assert camel(name) == camel_case
    assert entry_name(name) == entry


def test_a_message_for_a_template_has_a_string_for_each_variable() -> None:
    case = Case(7, {"id": "x", "kind": "good_template", "normative": "must", "template": "/{a.b.c=x/*}/{a.d}/{e}"})
    schemas = Schemas({"messages": {}, "enums": {}})
    message: Any = pool(schemas, [case]).FindMessageTypeByName("corpus.c7.M0Message")
    paths = []
    for path in variables(template(methods(case)[0].rule)):
        found: Any = message
        *steps, last = path.split(".")
        for step in steps:
            found = found.fields_by_name[step].message_type
        paths.append(found.fields_by_name[last].type == found.fields_by_name[last].TYPE_STRING)
    assert paths == [True, True, True]


def test_a_wrong_template_still_has_its_variables() -> None:
    assert variables("/{name") == ("name",)
    assert variables("/{book={author}/{isbn}/*}") == ("book", "author", "isbn")
    assert variables("/{1}/{-}") == ()


def test_rules_of_two_methods_and_their_messages() -> None:
    raw = {"id": "x", "kind": "bad_template", "normative": "must", "rules": [{"get": "/a/{x}"}, {"get": "/a/{x}"}]}
    made = methods(Case(0, raw))
    assert [method.name for method in made] == ["M0", "M1"]
    assert [method.rule.get for method in made] == ["/a/{x}", "/a/{x}"]
    assert made[0].request != made[1].request
