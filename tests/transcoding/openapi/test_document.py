"""Documents of known services, and of rules that are hard to say in OpenAPI."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from bookstore.v1 import bookstore_pb2
from edge.admin_rest import api_document, api_files
from edge.model.schema import SchemaSet
from edge.model.transcoding import JsonOptions, Strictness, Transcoding
from tests.transcoding.openapi.described import (
    assert_valid,
    checked,
    compiled,
    described,
    of_module,
    operation,
    operations,
    rules_of,
    validator,
)
from transcoding.openapi import document
from transcoding.openapi.annotations import Resources
from transcoding.openapi.paths import expand

BOOKSTORE = of_module(bookstore_pb2.DESCRIPTOR)

OPERATIONS = """
    get    /v1/shelves/{shelf}                      GetShelf        shelf*
    patch  /v1/shelves/{shelf}                      UpdateShelf     shelf* updateMask
    delete /v1/shelves/{shelf}                      DeleteShelf     shelf* force
    get    /v1/shelves                              ListShelves     pageSize pageToken
    post   /v1/shelves                              CreateShelf     shelfId*
    get    /v1/shelves/{shelf}/books/{book}         GetBook         shelf* book*
    patch  /v1/shelves/{shelf}/books/{book}         UpdateBook      shelf* book* updateMask
    delete /v1/shelves/{shelf}/books/{book}         DeleteBook      shelf* book*
    get    /v1/shelves/{shelf}/books                ListBooks       shelf* pageSize pageToken author subjects
    post   /v1/shelves/{shelf}/books                CreateBook      shelf* bookId
    get    /v1/books                                ListBooks2      parent pageSize pageToken author subjects
    post   /v1/books                                CreateBook2
    post   /v1/shelves/{shelf}/books/{book}:order   OrderBook       shelf* book*
    get    /v1/shelves/{shelf}/books/{book}/cover   GetBookCover    shelf* book*
    get    /v1/shelves/{shelf}/books:stream         StreamBooks     shelf*
    get    /v1/books:stream                         StreamBooks2    parent
    get    /v1/shelves/{shelf}:watch                WatchShelf      shelf* maxEvents
    post   /v1/books:import                         ImportBooks
    post   /v1/books:recommend                      RecommendBooks
"""


def listed(made: Any) -> list[list[str]]:
    return [
        [
            verb,
            path,
            one["operationId"].removeprefix("BookstoreService_"),
            *(f"{p['name']}{'*' if p.get('required') else ''}" for p in one.get("parameters", [])),
        ]
        for path, verb, one in operations(made)
    ]


def test_the_operations_of_the_bookstore() -> None:
    made = described(BOOKSTORE)
    assert listed(made) == [line.split() for line in OPERATIONS.strip().splitlines()]
    assert "x-notes" not in made


def test_a_book_in_answers_and_in_requests() -> None:
    schemas = described(BOOKSTORE)["components"]["schemas"]
    book, wanted = schemas["bookstore.v1.Book"], schemas["bookstore.v1.Book-Input"]
    assert wanted["required"] == ["title", "author"]
    assert {**book, "required": ["title", "author"]} == wanted
    assert book["additionalProperties"] is False
    assert book["properties"]["updateTime"] == {"type": "string", "format": "date-time", "readOnly": True}
    assert book["properties"]["priceCents"]["type"] == "string"
    assert book["properties"]["priceCents"]["format"] == "int64"
    assert book["properties"]["format"] == {"$ref": "#/components/schemas/bookstore.v1.Book.Format"}
    assert schemas["bookstore.v1.Book.Format"]["enum"][1] == "FORMAT_HARDCOVER"
    assert "bookstore.v1.CreateBookRequest-Input" not in schemas


def test_bodies_of_the_bookstore() -> None:
    made = described(BOOKSTORE)

    def body(name: str, kind: str = "application/json") -> Any:
        return operation(made, f"BookstoreService_{name}")["requestBody"]["content"][kind]

    book = {"$ref": "#/components/schemas/bookstore.v1.Book-Input"}
    assert body("CreateBook")["schema"] == book
    # a PATCH has what is to be changed, so nothing is required
    assert body("UpdateBook")["schema"] == {"$ref": "#/components/schemas/bookstore.v1.Book"}
    assert list(body("OrderBook")["schema"]["properties"]) == ["copies"]
    assert body("ImportBooks")["schema"]["type"] == "array"
    assert body("ImportBooks", "application/x-ndjson")["schema"] == body("ImportBooks")["schema"]["items"]
    assert body("CreateBook")["example"]["author"] == "Author"
    assert "name" not in body("CreateBook")["example"]


def test_answers_of_the_bookstore() -> None:
    made = described(BOOKSTORE)
    cover = operation(made, "BookstoreService_GetBookCover")["responses"]
    assert cover["200"]["content"] == {"*/*": {}}
    assert list(cover) == ["200", "400", "401", "403", "404", "409", "429", "500", "503", "504", "default"]
    stream = operation(made, "BookstoreService_StreamBooks")["responses"]["200"]["content"]
    assert list(stream) == ["application/x-ndjson", "text/event-stream", "application/json", "application/json-seq"]
    check = validator(made, stream["application/json"]["schema"])
    assert check.is_valid([{"title": "a"}, {"error": {"code": 14, "message": "b", "details": []}}])
    assert not check.is_valid([{"titel": "a"}])
    for response in made["components"]["responses"].values():
        media = response["content"]["application/json"]
        validator(made, media["schema"]).validate(media["example"])
    example = operation(made, "BookstoreService_GetBook")["responses"]["200"]["content"]["application/json"]["example"]
    assert example["name"] == "shelves/shelf-1/books/book-1"


def test_a_document_is_the_same_for_the_same_input() -> None:
    one, other = (json.dumps(described(BOOKSTORE)) for _ in range(2))
    assert one == other


@pytest.mark.parametrize("which", ["bookstore", "gateway API"])
def test_every_example_is_taken(which: str) -> None:
    schema = BOOKSTORE if which == "bookstore" else SchemaSet.of(api_files())
    rules = rules_of(schema)
    made = checked(rules)
    resources = Resources({one.binding.method.containing_service for one in rules})
    by_place = {(expand(one.binding, resources).shape, one.binding.verb.lower()): one for one in rules}
    bodies = 0
    for path, verb, found in operations(made):
        rule = by_place[re.sub(r"\{[^}]*\}", "{}", path), verb]
        assert rule.offer.method.path == found["x-grpc-method"]
        for name, media in found["responses"]["200"]["content"].items():
            if "example" in media and name == "application/json" and not rule.offer.streams:
                validator(made, media["schema"]).validate(media["example"])
                rule.offer.codec.parse_tree(rule.binding.method.output_type, media["example"])
        for one in found.get("parameters", []):
            if "example" in one:
                validator(made, one["schema"]).validate(one["example"])
                if one["in"] == "query":
                    value = one["example"]
                    text = str(value).lower() if isinstance(value, bool) else str(value)
                    rule.message({}, urlencode({one["name"]: text}), None)
        if "requestBody" in found:
            media = found["requestBody"]["content"]["application/json"]
            validator(made, media["schema"]).validate(media["example"])
            trees = media["example"] if rule.offer.streams_requests else [media["example"]]
            for tree in trees:
                rule.message({}, "", tree)
            bodies += 1
    assert bodies > 5


def test_the_gateway_api() -> None:
    made: Any = api_document()
    assert_valid(made)
    assert made["info"] == {"title": "Gateway API", "version": "v1"}
    assert "x-notes" not in made
    create = operation(made, "RouteService_CreateRoute")
    assert [one["name"] for one in create["parameters"] if one.get("required")] == ["routeId"]
    explain = operation(made, "AdminService_ExplainCall")["requestBody"]
    assert explain["required"]
    assert made["components"]["schemas"]["gateway.v1.ExplainCallRequest"]["required"] == ["path"]
    policy = made["components"]["schemas"]["gateway.v1.Policy"]
    check = validator(made, {"$ref": "#/components/schemas/gateway.v1.Policy"})
    assert check.is_valid({"cors": {}})
    assert not check.is_valid({"cors": {}, "header": {}}), "one of a oneof"
    assert "At most one of" in policy["description"]


@pytest.mark.parametrize(
    ("options", "name", "enum"),
    [
        (JsonOptions(), "pageSize", "FORMAT_HARDCOVER"),
        (JsonOptions(proto_field_names=True), "page_size", "FORMAT_HARDCOVER"),
        (JsonOptions(strip_enum_prefix=True), "pageSize", "HARDCOVER"),
        (JsonOptions(enums_as_numbers=True), "pageSize", 1),
    ],
)
def test_options_of_the_route_show(options: JsonOptions, name: str, enum: object) -> None:
    made = described(BOOKSTORE, Transcoding(json=options, strictness=Strictness.WARN))
    assert name in [one["name"] for one in operation(made, "BookstoreService_ListBooks")["parameters"]]
    schemas = made["components"]["schemas"]
    assert schemas["bookstore.v1.Book.Format"]["enum"][1] == enum
    assert "additionalProperties" not in schemas["bookstore.v1.Book"]


def test_defaults_that_are_printed_are_always_there() -> None:
    schemas = described(BOOKSTORE, Transcoding(json=JsonOptions(print_defaults=True)))["components"]["schemas"]
    assert "rating" not in schemas["bookstore.v1.Book"]["required"]
    assert "labels" in schemas["bookstore.v1.Book"]["required"]
    assert schemas["bookstore.v1.Book-Input"]["required"] == ["title", "author"]


def test_routes_that_write_the_same_messages_differently() -> None:
    shelf = Transcoding(rpc_paths=True, json=JsonOptions(proto_field_names=True))
    rules = rules_of(BOOKSTORE) + rules_of(BOOKSTORE, shelf, "routes/other")
    made = checked(rules)
    schemas = made["components"]["schemas"]
    assert "priceCents" in schemas["bookstore.v1.Book"]["properties"]
    assert "price_cents" in schemas["bookstore.v1.Book-2"]["properties"]
    assert len(made["x-notes"]) == 19
    assert "is left out: OpenAPI cannot tell it from" in made["x-notes"][0]
    assert "/bookstore.v1.BookstoreService/GetBook" in made["paths"]


ODD = """
syntax = "proto3"; package odd.v1;
import "google/api/annotations.proto"; import "google/api/field_behavior.proto"; import "google/api/httpbody.proto";
import "google/protobuf/struct.proto"; import "google/protobuf/wrappers.proto";
// Keeps files.
// Forever.
service Files {
  // Gets a file. It may
  // be large (-- api-linter: core --).
  rpc Get(Request) returns (google.api.HttpBody) { option (google.api.http) = {get: "/files/{path=**}"}; }
  rpc GetAny(Request) returns (Reply) { option (google.api.http) = {get: "/files/{path}"}; option deprecated = true; }
  rpc Put(Request) returns (Reply) { option (google.api.http) = {
    put: "/a/{path=x/*/*}/*/b%20c" body: "file" response_body: "size"
    additional_bindings { custom { kind: "PROPFIND" path: "/a" } }
    additional_bindings { custom { kind: "HEAD" path: "/a/{number}" } }
    additional_bindings { post: "/a/{inner.path}:do" body: "inner" }
    additional_bindings { delete: "/a/{other_name=*}" } }; }
}
message Request {
  string path = 1;
  google.api.HttpBody file = 2;
  int64 number = 3; string other_name = 4;
  map<string, int32> sizes = 5; repeated Inner many = 6; google.protobuf.Struct free = 7;
  Inner inner = 8; oneof pick { string left = 9; string right = 10; }
  bytes raw = 11 [(google.api.field_behavior) = INPUT_ONLY, deprecated = true];
}
message Inner { string path = 1 [(google.api.field_behavior) = REQUIRED]; Inner deeper = 2; Kind kind = 3;
  string made = 4 [(google.api.field_behavior) = OUTPUT_ONLY]; }
// What it is.
enum Kind { KIND_UNSPECIFIED = 0;
  // A good one.
  KIND_GOOD = 1; }
message Reply { google.protobuf.Int64Value size = 1; }
"""


def odd() -> Any:
    return described(compiled(("odd", ODD)))


def parameters(found: Any) -> dict[str, Any]:
    return {one["name"]: one for one in found.get("parameters", [])}


def test_templates_that_openapi_has_no_form_for() -> None:
    made = odd()
    assert list(made["paths"]) == [
        "/files/{path}",
        "/a/x/{path_1}/{path_2}/{segment_1}/b%20c",
        "/a/{number}",
        "/a/{inner.path}:do",
    ]
    rest = parameters(operation(made, "Files_Get"))["path"]
    assert rest["x-multi-segment"]
    assert made["x-notes"] == [
        "odd.v1.Files.GetAny: GET /files/{path} is left out: OpenAPI cannot tell it from GET /files/{path=**} of "
        "odd.v1.Files.Get",
        "odd.v1.Files.Put: PROPFIND /a is left out: OpenAPI has no verb `PROPFIND`",
    ]
    put = parameters(operation(made, "Files_Put"))
    assert put["path_1"]["description"] == "A part of `path`, which is `x/{path_1}/{path_2}`."
    assert put["segment_1"]["description"] == "A segment of the path that no field holds."
    # /a/{number} and /a/{other_name} are one path to OpenAPI
    assert made["paths"]["/a/{number}"]["head"]["operationId"] == "Files_Put2"
    assert made["paths"]["/a/{number}"]["delete"]["parameters"][0]["description"] == "The field `other_name`."
    assert made["paths"]["/a/{number}"]["head"]["parameters"][0]["schema"]["format"] == "int64"


def test_bodies_and_answers_that_are_fields_or_bytes() -> None:
    made = odd()
    put = operation(made, "Files_Put")
    assert list(put["requestBody"]["content"]) == ["*/*"]
    size = put["responses"]["200"]["content"]["application/json"]["schema"]
    assert validator(made, size).is_valid("12")
    assert validator(made, size).is_valid(None)
    assert not validator(made, size).is_valid(12)
    # the path has what the body would have to have
    inner = operation(made, "Files_Put3")["requestBody"]["content"]["application/json"]["schema"]
    assert sorted(inner["properties"]) == ["deeper", "kind", "made"]
    assert "required" not in inner


def test_queries_have_what_can_be_sent_and_nothing_else() -> None:
    found = parameters(operation(odd(), "Files_Get"))
    assert sorted(found) == [
        *("file.contentType", "file.data", "free", "inner.kind", "inner.path", "left", "number", "otherName", "path"),
        *("raw", "right", "sizes"),
    ]
    assert found["sizes"]["style"] == "deepObject"
    assert list(found["free"]["content"]) == ["application/json"]
    assert found["raw"]["deprecated"]
    assert found["inner.kind"]["schema"]["enum"] == ["KIND_UNSPECIFIED", "KIND_GOOD"]
    assert "oneof `pick`" in found["left"]["description"]
    assert "required" not in found["inner.path"], "who does not send `inner` need not send its path"


def test_comments_are_where_people_look_for_them() -> None:
    made = odd()
    assert made["tags"] == [{"name": "Files", "description": "Keeps files.\nForever."}]
    found = operation(made, "Files_Get")
    assert (found["summary"], found["description"]) == ("Gets a file", "It may\nbe large .")
    kind = made["components"]["schemas"]["odd.v1.Kind"]
    assert kind["description"] == "What it is.\n\n- `KIND_GOOD`: A good one."


def test_a_server_that_is_named() -> None:
    made: Any = document(rules_of(BOOKSTORE), title="T", version="v9", server_url="https://api.example.com")
    assert made["servers"] == [{"url": "https://api.example.com"}]
    assert urlsplit(made["servers"][0]["url"]).scheme == "https"
    assert made["info"]["version"] == "v9"


def test_versions_of_one_schema_are_one_api() -> None:
    made = checked(rules_of(BOOKSTORE) + rules_of(BOOKSTORE))
    assert "x-notes" not in made
    assert listed(made) == listed(described(BOOKSTORE))


def test_chains_of_messages_may_be_long() -> None:
    last = 400
    chain = "\n".join(f"message M{number} {{ M{number + 1} next = 1; }}" for number in range(last))
    schema = compiled(
        (
            "chain",
            f'syntax = "proto3"; package chain.v1; import "google/api/annotations.proto"; {chain}\n'
            f"message M{last} {{ M0 again = 1; }}\n"
            'service S { rpc Get(M0) returns (M0) { option (google.api.http) = {post: "/m" body: "*"}; } }',
        )
    )
    assert len(described(schema)["components"]["schemas"]) > last


def test_nothing_is_a_document_too() -> None:
    assert checked([])["paths"] == {}
