"""The whole configuration over a real channel, and what is not there yet."""

from __future__ import annotations

import uuid
from typing import Any

import grpc
import pytest

from gateway.v1 import (
    config_pb2,
    config_service_pb2,
    consumer_service_pb2,
    route_service_pb2,
    upstream_service_pb2,
)

Apply = config_service_pb2.ApplyConfigRequest
KIND = config_pb2.ResourceChange


def config(*resources: Any, **fields: Any) -> config_pb2.Config:
    made = config_pb2.Config(**fields)
    for resource in resources:
        getattr(made, type(resource).__name__.lower() + "s").append(resource)
    return made


async def test_a_configuration_is_applied_and_got(api: Any, build: Any) -> None:
    applied = await api.config.ApplyConfig(Apply(config=config(build.upstream(), build.route())))
    assert [(change.name, change.kind) for change in applied.changes] == [
        ("upstreams/books", KIND.KIND_CREATED),
        ("routes/books", KIND.KIND_CREATED),
    ]
    got = await api.config.GetConfig(config_service_pb2.GetConfigRequest(name="config"))
    assert got == applied.config
    assert got == await api.config.GetConfig(config_service_pb2.GetConfigRequest())
    assert (got.name, got.revision) == ("config", 2)
    assert got.etag
    assert got.update_time.seconds
    failed = await build.failure(api.config.GetConfig(config_service_pb2.GetConfigRequest(name="other")))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")


async def test_changes_name_the_fields(api: Any, build: Any) -> None:
    await api.config.ApplyConfig(Apply(config=config(build.upstream(), build.route("routes/gone"))))
    changed = build.upstream(address="a:1", labels={"a": "b"})
    changed.connection.max_backoff.seconds = 5
    first = await api.config.ApplyConfig(Apply(config=config(changed), merge=True))
    assert [(c.name, c.kind, list(c.fields)) for c in first.changes] == [
        ("upstreams/books", KIND.KIND_UPDATED, ["static.endpoints", "connection", "labels"])
    ]
    changed.connection.max_backoff.seconds = 6
    second = await api.config.ApplyConfig(Apply(config=config(changed)))
    assert [(c.name, c.kind, list(c.fields)) for c in second.changes] == [
        ("upstreams/books", KIND.KIND_UPDATED, ["connection.max_backoff"]),
        ("routes/gone", KIND.KIND_DELETED, []),
    ]


async def test_merging_keeps_and_replacing_deletes_what_is_not_named(api: Any, build: Any) -> None:
    await api.config.ApplyConfig(Apply(config=config(build.upstream(), build.upstream("upstreams/b"))))
    merged = await api.config.ApplyConfig(Apply(config=config(build.route()), merge=True))
    assert [upstream.name for upstream in merged.config.upstreams] == ["upstreams/b", "upstreams/books"]
    replaced = await api.config.ApplyConfig(Apply(config=config(build.upstream())))
    assert [upstream.name for upstream in replaced.config.upstreams] == ["upstreams/books"]
    assert not replaced.config.routes


async def test_what_was_got_can_be_applied_again(api: Any, build: Any) -> None:
    await api.configurator.set_declared(build.config(build.upstream()), lambda path: "edge.yaml:3:5")
    await api.config.ApplyConfig(Apply(config=config(build.route())))
    got = await api.config.GetConfig(config_service_pb2.GetConfigRequest())
    again = await api.config.ApplyConfig(Apply(config=got))
    assert (again.config, list(again.changes)) == (got, [])


async def test_resources_of_a_file_stay_as_they_are(api: Any, build: Any) -> None:
    await api.configurator.set_declared(build.config(build.upstream()), lambda path: "edge.yaml:3:5")
    assert (await api.config.ApplyConfig(Apply(config=config()))).config.upstreams
    failed = await build.failure(api.config.ApplyConfig(Apply(config=config(build.upstream(address="a:1")))))
    assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "DECLARED_IN_FILE")
    assert failed.metadata["file"] == "edge.yaml"


async def test_all_or_nothing(api: Any, build: Any) -> None:
    await api.config.ApplyConfig(Apply(config=config(build.upstream())))
    before = api.configurator.state
    wrong = config(
        build.upstream("upstreams/b"), build.route(), build.route(), build.route("routes/b", to="upstreams/c")
    )
    wrong.upstreams.add(name="b")
    for merge in (True, False):
        failed = await build.failure(api.config.ApplyConfig(Apply(config=wrong, merge=merge)))
        expected = {
            "config.upstreams[1].name",
            "config.routes[1].name",
            "config.routes[2].forward.upstreams[0].upstream",
        }
        assert set(failed.violations) == expected | (
            set() if merge else {"config.routes[0].forward.upstreams[0].upstream"}
        )
        assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
        assert api.configurator.state is before


async def test_very_many_violations_fit_into_a_status(api: Any, build: Any) -> None:
    wrong = config(*(build.route(f"routes/r{n}", to=f"upstreams/none-{n}") for n in range(500)))
    failed = await build.failure(api.config.ApplyConfig(Apply(config=wrong)))
    assert failed.message.endswith("(and 499 more)")
    assert 10 < len(failed.violations) < 100
    assert failed.violations[""] == f"and {500 - len(failed.violations) + 1} more"


async def test_a_stale_etag_is_aborted(api: Any, build: Any) -> None:
    first = await api.config.ApplyConfig(Apply(config=config(build.upstream())))
    await api.config.ApplyConfig(Apply(config=config(build.route()), merge=True))
    stale = config(build.upstream("upstreams/b"), etag=first.config.etag)
    failed = await build.failure(api.config.ApplyConfig(Apply(config=stale, merge=True)))
    assert (failed.code, failed.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert failed.metadata == {"resource": "config", "etag": first.config.etag}


async def test_validate_only_changes_nothing(api: Any, build: Any) -> None:
    before = api.configurator.state
    shown = await api.config.ApplyConfig(Apply(config=config(build.upstream()), validate_only=True))
    assert [change.name for change in shown.changes] == ["upstreams/books"]
    assert shown.config.upstreams
    assert api.configurator.state is before
    failed = await build.failure(api.config.ApplyConfig(Apply(config=config(build.route()), validate_only=True)))
    assert list(failed.violations) == ["config.routes[0].forward.upstreams[0].upstream"]


async def test_a_request_id_replays_the_answer(api: Any, build: Any) -> None:
    request = Apply(config=config(build.upstream()), request_id=str(uuid.uuid4()))
    first = await api.config.ApplyConfig(request)
    await api.upstreams.DeleteUpstream(upstream_service_pb2.DeleteUpstreamRequest(name="upstreams/books"))
    assert await api.config.ApplyConfig(request) == first
    assert len(api.configurator.resources) == 0
    request.request_id = "1"
    assert list((await build.failure(api.config.ApplyConfig(request))).violations) == ["request_id"]


async def test_a_configuration_is_required_and_has_one_name(api: Any, build: Any) -> None:
    assert list((await build.failure(api.config.ApplyConfig(Apply()))).violations) == ["config"]
    wrong = Apply(config=config(name="other"))
    assert list((await build.failure(api.config.ApplyConfig(wrong))).violations) == ["config.name"]


@pytest.mark.parametrize(
    ("service", "method", "request_"),
    [
        ("config", "ListRevisions", config_service_pb2.ListRevisionsRequest()),
        ("config", "GetRevision", config_service_pb2.GetRevisionRequest()),
        ("config", "RollbackConfig", config_service_pb2.RollbackConfigRequest()),
        ("consumers", "CreateApiKey", consumer_service_pb2.CreateApiKeyRequest()),
        ("consumers", "RevokeApiKey", consumer_service_pb2.RevokeApiKeyRequest()),
    ],
)
async def test_what_is_not_there_yet_says_so(api: Any, build: Any, service: str, method: str, request_: Any) -> None:
    failed = await build.failure(getattr(getattr(api, service), method)(request_))
    assert (failed.code, failed.reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_AVAILABLE")
    assert failed.metadata["method"].endswith(f"Service/{method}")
    assert failed.message == f"{failed.metadata['method']} is not available in this version yet"


async def test_following_is_not_there_yet_and_says_so(api: Any, build: Any) -> None:
    async def read() -> None:
        async for _ in api.config.WatchConfig(iter([config_service_pb2.WatchConfigRequest()])):
            pass

    failed = await build.failure(read())
    assert (failed.code, failed.reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_AVAILABLE")


def services() -> list[tuple[str, str]]:
    files = (config_service_pb2, consumer_service_pb2, route_service_pb2, upstream_service_pb2)
    return [
        (service.full_name, method.name)
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]


@pytest.mark.parametrize(("service", "method"), services())
async def test_no_method_was_forgotten(api: Any, service: str, method: str) -> None:
    call = api.channel.unary_unary(f"/{service}/{method}")
    if method in ("GetConfig", *(f"List{plural}" for plural in ("Routes", "Upstreams", "Consumers"))):
        await call(b"")
        return
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"")
    # the generated base class would say "Method not implemented!", without details
    assert any(key == "grpc-status-details-bin" for key, _ in caught.value.trailing_metadata() or ())
