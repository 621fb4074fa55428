"""The standard methods over a real channel."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, field_mask_pb2

from gateway.v1 import (
    config_pb2,
    consumer_pb2,
    consumer_service_pb2,
    policy_pb2,
    policy_service_pb2,
    route_pb2,
    route_service_pb2,
    schema_pb2,
    schema_service_pb2,
    upstream_pb2,
    upstream_service_pb2,
)

Create = route_service_pb2.CreateRouteRequest
Update = route_service_pb2.UpdateRouteRequest
Delete = route_service_pb2.DeleteRouteRequest
Get = route_service_pb2.GetRouteRequest
List = route_service_pb2.ListRoutesRequest


@pytest.fixture
async def books(api: Any, build: Any) -> Any:
    await api.upstreams.CreateUpstream(
        upstream_service_pb2.CreateUpstreamRequest(upstream_id="books", upstream=build.upstream())
    )
    return await api.routes.CreateRoute(Create(route_id="books", route=build.route()))


def mask(*paths: str) -> field_mask_pb2.FieldMask:
    return field_mask_pb2.FieldMask(paths=paths)


async def test_a_created_route_is_in_force_when_the_call_returns(api: Any, books: Any) -> None:
    assert books.name == "routes/books"
    assert books.etag
    assert books.create_time == books.update_time
    assert books.origin.kind == books.origin.KIND_API
    assert api.runtime.snapshot.value.configuration.routes["routes/books"].action.upstreams == (("upstreams/books", 1),)
    assert await api.routes.GetRoute(Get(name="routes/books")) == books


async def test_what_is_sent_for_output_only_fields_and_the_name_is_ignored(api: Any, build: Any, books: Any) -> None:
    sent = build.route("routes/ignored", etag="ignored")
    sent.create_time.seconds = 1
    sent.origin.file = "elsewhere"
    made = await api.routes.CreateRoute(Create(route_id="other", route=sent))
    assert (made.name, made.origin.file) == ("routes/other", "")
    assert made.create_time.seconds > 1
    assert made.etag != "ignored"


@pytest.mark.parametrize("route_id", ["Books", "-a", "a-", "a" * 64, "a/b", "a.b", "ä"])
async def test_a_bad_id_is_refused(api: Any, build: Any, route_id: str) -> None:
    failed = await build.failure(api.routes.CreateRoute(Create(route_id=route_id, route=build.route())))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert list(failed.violations) == ["route_id"]


async def test_id_and_resource_are_required(api: Any, build: Any) -> None:
    failed = await build.failure(api.routes.CreateRoute(Create()))
    assert failed.violations == {"route_id": "is required", "route": "is required"}


async def test_a_taken_id_is_refused(api: Any, build: Any, books: Any) -> None:
    failed = await build.failure(api.routes.CreateRoute(Create(route_id="books", route=build.route())))
    assert (failed.code, failed.reason) == (grpc.StatusCode.ALREADY_EXISTS, "RESOURCE_EXISTS")
    assert failed.metadata == {"resource": "routes/books"}


async def test_violations_have_the_path_in_the_request(api: Any, build: Any) -> None:
    sent = build.route(to="upstreams/boks")
    sent.matches[0].http.methods.append("get")
    failed = await build.failure(api.routes.CreateRoute(Create(route_id="books", route=sent)))
    assert failed.violations["route.matches[0].http.path"].startswith("a path is missing")
    assert failed.violations["route.matches[0].http.methods[0]"].endswith("did you mean `GET`?")
    assert failed.violations["route.forward.upstreams[0].upstream"] == "there is no `upstreams/boks`"


async def test_a_dangling_reference_gets_a_hint(api: Any, build: Any, books: Any) -> None:
    failed = await build.failure(
        api.routes.CreateRoute(Create(route_id="more", route=build.route(to="upstreams/boks")))
    )
    assert "did you mean `upstreams/books`?" in failed.violations["route.forward.upstreams[0].upstream"]


async def test_what_is_missing_is_not_found_with_a_hint(api: Any, build: Any, books: Any) -> None:
    for call in (
        api.routes.GetRoute(Get(name="routes/boks")),
        api.routes.UpdateRoute(Update(route=build.route("routes/boks"))),
        api.routes.DeleteRoute(Delete(name="routes/boks")),
    ):
        failed = await build.failure(call)
        assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")
        assert failed.metadata == {"resource": "routes/boks", "suggestion": "routes/books"}
        assert "did you mean `routes/books`?" in failed.message


@pytest.mark.parametrize("name", ["", "books", "upstreams/books", "routes/", "routes/A", "routes/a/b"])
async def test_a_name_of_another_form_is_invalid(api: Any, build: Any, name: str) -> None:
    for field, call in (
        ("name", api.routes.GetRoute(Get(name=name))),
        ("name", api.routes.DeleteRoute(Delete(name=name))),
        ("route.name", api.routes.UpdateRoute(Update(route=build.route(name)))),
    ):
        failed = await build.failure(call)
        assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
        assert list(failed.violations) == [field]


async def test_an_update_changes_what_the_mask_names(api: Any, books: Any) -> None:
    sent = route_pb2.Route(name="routes/books", display_name="Books", priority=7)
    sent.labels["team"] = "a"
    sent.timeout.seconds = 3
    updated = await api.routes.UpdateRoute(
        Update(route=sent, update_mask=mask("display_name", "timeout", "labels.team"))
    )
    assert (updated.display_name, updated.priority, updated.timeout.seconds) == ("Books", 0, 3)
    assert dict(updated.labels) == {"team": "a"}
    assert updated.forward == books.forward
    assert updated.etag != books.etag
    assert updated.create_time == books.create_time
    assert updated.update_time.ToNanoseconds() > books.update_time.ToNanoseconds()
    assert api.runtime.snapshot.value.configuration.routes["routes/books"].timeout == 3.0


async def test_an_update_without_mask_takes_what_is_set(api: Any, books: Any) -> None:
    updated = await api.routes.UpdateRoute(Update(route=route_pb2.Route(name="routes/books", priority=7)))
    assert (updated.priority, updated.forward) == (7, books.forward)


async def test_an_unknown_path_of_a_mask_gets_a_hint(api: Any, build: Any, books: Any) -> None:
    failed = await build.failure(api.routes.UpdateRoute(Update(route=books, update_mask=mask("displayname"))))
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "did you mean `display_name`?" in failed.violations["update_mask"]


async def test_an_update_that_changes_nothing_makes_no_revision(api: Any, books: Any) -> None:
    revision = api.configurator.state.revision
    assert await api.routes.UpdateRoute(Update(route=books, update_mask=mask("*"))) == books
    assert api.configurator.state.revision == revision


async def test_a_stale_etag_is_aborted(api: Any, build: Any, books: Any) -> None:
    await api.routes.UpdateRoute(Update(route=route_pb2.Route(name=books.name, priority=1, etag=books.etag)))
    for call in (
        api.routes.UpdateRoute(Update(route=route_pb2.Route(name=books.name, priority=2, etag=books.etag))),
        api.routes.DeleteRoute(Delete(name=books.name, etag=books.etag)),
        api.routes.UpdateRoute(Update(route=build.route("routes/gone", etag="0"), allow_missing=True)),
    ):
        failed = await build.failure(call)
        assert (failed.code, failed.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert (await api.routes.GetRoute(Get(name=books.name))).priority == 1


async def test_of_concurrent_updates_with_one_etag_one_wins(api: Any, books: Any) -> None:
    calls = [
        api.routes.UpdateRoute(Update(route=route_pb2.Route(name=books.name, priority=n, etag=books.etag)))
        for n in range(1, 9)
    ]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(outcome, route_pb2.Route) for outcome in outcomes) == 1


async def test_a_missing_route_is_made_when_allowed(api: Any, build: Any, books: Any) -> None:
    request = Update(route=build.route("routes/more"), allow_missing=True, update_mask=mask("priority"))
    made = await api.routes.UpdateRoute(request)
    assert (made.name, made.forward) == ("routes/more", books.forward)


async def test_a_deleted_route_is_gone(api: Any, books: Any) -> None:
    assert await api.routes.DeleteRoute(Delete(name=books.name, etag=books.etag)) == empty_pb2.Empty()
    assert not api.runtime.snapshot.value.configuration.routes
    assert await api.routes.DeleteRoute(Delete(name=books.name, allow_missing=True)) == empty_pb2.Empty()


async def test_a_resource_in_use_stays_and_all_users_are_named(api: Any, build: Any, books: Any) -> None:
    await api.routes.CreateRoute(Create(route_id="more", route=build.route("routes/more")))
    request = upstream_service_pb2.DeleteUpstreamRequest(name="upstreams/books")
    failed = await build.failure(api.upstreams.DeleteUpstream(request))
    assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RESOURCE_IN_USE")
    assert failed.metadata == {"resource": "upstreams/books", "usedBy": "routes/books, routes/more"}
    assert "routes/books, routes/more" in failed.message
    assert "upstreams/books" in api.configurator.resources


async def test_very_many_users_are_counted(api: Any, build: Any, books: Any) -> None:
    config = config_pb2.GatewayConfig(upstreams=[build.upstream("upstreams/file")])
    config.routes.extend(build.route(f"routes/file-{n}", to="upstreams/file") for n in range(30))
    await api.configurator.set_declared(config)
    await api.routes.DeleteRoute(Delete(name="routes/books"))
    for n in range(30):
        await api.routes.CreateRoute(Create(route_id=f"r{n}", route=build.route(f"routes/r{n}")))
    request = upstream_service_pb2.DeleteUpstreamRequest(name="upstreams/books")
    failed = await build.failure(api.upstreams.DeleteUpstream(request))
    assert failed.message.count("routes/") == 20
    assert "and 10 more" in failed.message
    assert failed.metadata["usedByCount"] == "30"


async def test_validate_only_changes_nothing(api: Any, build: Any, books: Any, store: Any) -> None:
    before, published = api.configurator.state, list(api.runtime.published)
    made = await api.routes.CreateRoute(Create(route_id="more", route=build.route("routes/more"), validate_only=True))
    assert made.name == "routes/more"
    assert made.etag
    sent = route_pb2.Route(name=books.name, priority=9)
    assert (await api.routes.UpdateRoute(Update(route=sent, validate_only=True))).priority == 9
    await api.routes.DeleteRoute(Delete(name=books.name, validate_only=True))
    assert api.configurator.state is before
    assert api.runtime.published == published
    assert (await store.current()).number == before.revision
    failed = await build.failure(
        api.upstreams.DeleteUpstream(
            upstream_service_pb2.DeleteUpstreamRequest(name="upstreams/books", validate_only=True)
        )
    )
    assert failed.reason == "RESOURCE_IN_USE"


async def test_a_request_id_replays_the_first_answer(api: Any, build: Any, books: Any) -> None:
    request = Create(route_id="more", route=build.route("routes/more"), request_id=str(uuid.uuid4()))
    first = await api.routes.CreateRoute(request)
    await api.routes.UpdateRoute(Update(route=route_pb2.Route(name=first.name, priority=5)))
    assert await api.routes.CreateRoute(request) == first
    request.route.priority = 3
    failed = await build.failure(api.routes.CreateRoute(request))
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert list(failed.violations) == ["request_id"]


async def test_concurrent_duplicates_are_executed_once(api: Any, build: Any, books: Any) -> None:
    request = Create(route_id="more", route=build.route("routes/more"), request_id=str(uuid.uuid4()))
    revision = api.configurator.state.revision
    answers = await asyncio.gather(*(api.routes.CreateRoute(request) for _ in range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert api.configurator.state.revision == revision + 1


async def test_lists_go_page_by_page(api: Any, build: Any, books: Any) -> None:
    for n in range(4):
        await api.routes.CreateRoute(Create(route_id=f"r{n}", route=build.route(f"routes/r{n}")))
    names, token = [], ""
    while True:
        reply = await api.routes.ListRoutes(List(page_size=2, page_token=token))
        names.append([route.name for route in reply.routes])
        token = reply.next_page_token
        if not token:
            break
    assert names == [["routes/books", "routes/r0"], ["routes/r1", "routes/r2"], ["routes/r3"]]


async def test_a_token_of_another_list_is_refused(api: Any, build: Any, books: Any) -> None:
    await api.routes.CreateRoute(Create(route_id="more", route=build.route("routes/more")))
    token = (await api.routes.ListRoutes(List(page_size=1))).next_page_token
    for request, stub, field in (
        (policy_service_pb2.ListPoliciesRequest(page_token=token), api.policies.ListPolicies, "page_token"),
        (List(page_token="garbage!"), api.routes.ListRoutes, "page_token"),
        (List(page_size=-1), api.routes.ListRoutes, "page_size"),
    ):
        assert list((await build.failure(stub(request))).violations) == [field]


async def test_every_kind_has_the_standard_methods(api: Any, build: Any) -> None:
    policy = policy_pb2.Policy()
    policy.header.request.set["x-a"] = "b"
    schema = schema_pb2.Schema(reflection_upstream="upstreams/books")
    for stub, service, singular, plural, sent in (
        (api.upstreams, upstream_service_pb2, "Upstream", "Upstreams", build.upstream()),
        (api.policies, policy_service_pb2, "Policy", "Policies", policy),
        (api.consumers, consumer_service_pb2, "Consumer", "Consumers", consumer_pb2.Consumer(roles=["admin"])),
        (api.schemas, schema_service_pb2, "Schema", "Schemas", schema),
    ):
        lower = singular.lower()
        create = getattr(service, f"Create{singular}Request")
        made = await getattr(stub, f"Create{singular}")(create(**{f"{lower}_id": "books", lower: sent}))
        assert made.name == f"{plural.lower()}/books"
        get = getattr(service, f"Get{singular}Request")
        assert (await getattr(stub, f"Get{singular}")(get(name=made.name))).etag == made.etag
        update = getattr(service, f"Update{singular}Request")
        made.display_name = "Books"
        updated = await getattr(stub, f"Update{singular}")(update(**{lower: made}, update_mask=mask("*")))
        assert updated.display_name == "Books"
        listed = await getattr(stub, f"List{plural}")(getattr(service, f"List{plural}Request")())
        assert [found.name for found in getattr(listed, plural.lower())] == [made.name]
    for stub, service, singular in (
        (api.schemas, schema_service_pb2, "Schema"),
        (api.consumers, consumer_service_pb2, "Consumer"),
        (api.policies, policy_service_pb2, "Policy"),
        (api.upstreams, upstream_service_pb2, "Upstream"),
    ):
        delete = getattr(service, f"Delete{singular}Request")
        collection = {"Policy": "policies"}.get(singular, f"{singular.lower()}s")
        await getattr(stub, f"Delete{singular}")(delete(name=f"{collection}/books"))
    assert len(api.configurator.resources) == 0


async def test_a_resource_of_a_file_is_read_only(api: Any, build: Any) -> None:
    config = config_pb2.GatewayConfig(upstreams=[build.upstream()])
    await api.configurator.set_declared(config, lambda path: "edge.yaml:12:5")
    got = await api.upstreams.GetUpstream(upstream_service_pb2.GetUpstreamRequest(name="upstreams/books"))
    assert (got.origin.kind, got.origin.file, got.origin.line) == (got.origin.KIND_FILE, "edge.yaml", 12)
    update = upstream_service_pb2.UpdateUpstreamRequest(upstream=upstream_pb2.Upstream(name=got.name, authority="x"))
    delete = upstream_service_pb2.DeleteUpstreamRequest(name=got.name)
    for call in (api.upstreams.UpdateUpstream(update), api.upstreams.DeleteUpstream(delete)):
        failed = await build.failure(call)
        assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "DECLARED_IN_FILE")
        assert failed.metadata == {"resource": got.name, "file": "edge.yaml", "line": "12"}
        assert "edge.yaml line 12" in failed.message


async def test_what_compiling_refuses_is_told_by_its_path_in_the_request(api: Any, build: Any, books: Any) -> None:
    from edge.model.errors import InvalidRequest, Violation

    def check(_: Any) -> None:
        raise InvalidRequest.of(
            [Violation("routes/more.matches[0].http.path", "bad"), Violation("routes/books", "ties with routes/more")]
        )

    api.runtime.check = check
    failed = await build.failure(api.routes.CreateRoute(Create(route_id="more", route=build.route("routes/more"))))
    assert failed.violations == {"route.matches[0].http.path": "bad", "routes/books": "ties with routes/more"}
    assert "routes/more" not in api.configurator.resources
