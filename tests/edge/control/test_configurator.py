"""Changes happen whole or not at all."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from edge.control.changes import ChangeKind
from edge.control.configurator import Configurator
from edge.control.drafts import Draft
from edge.control.resources import Resources
from edge.control.store import MemoryStore, RevisionConflict, StoredRevision
from edge.model.errors import InvalidRequest, Violation
from edge.model.resource_errors import DeclaredInFile, EtagMismatch
from gateway.v1 import config_pb2, schema_pb2


def put(*messages: Any) -> Any:
    return lambda before: Draft(resources=before.put(*messages))


async def commit(configurator: Configurator, *messages: Any, validate_only: bool = False) -> Any:
    return await configurator.commit(put(*messages), validate_only=validate_only, author="me", summary="test")


def refuse(_: Any) -> None:
    raise InvalidRequest.of([Violation("routes/books.matches[0].http.path", "bad")])


async def test_a_change_is_compiled_kept_and_put_in_force(
    configurator: Any, runtime: Any, store: Any, build: Any
) -> None:
    state = await commit(configurator, build.upstream())
    kept = await store.current()
    assert state.revision == kept.number == runtime.snapshot.value.revision == 2
    assert (kept.author, kept.summary, kept.time) == ("me", "test", state.time)
    assert [(change.name, change.kind) for change in kept.changes] == [("upstreams/books", ChangeKind.CREATED)]
    assert "upstreams/books" in kept.resources
    assert configurator.state is state


async def test_what_does_not_compile_changes_nothing(configurator: Any, runtime: Any, store: Any, build: Any) -> None:
    before = configurator.state
    runtime.check = refuse
    with pytest.raises(InvalidRequest) as caught:
        await commit(configurator, build.upstream(), build.route())
    assert [violation.field for violation in caught.value.violations] == ["routes/books.matches[0].http.path"]
    assert configurator.state is before
    assert (await store.current()).number == before.revision
    runtime.check = lambda _: None
    assert (await commit(configurator, build.upstream())).revision == before.revision + 1


async def test_what_cannot_be_kept_is_not_put_in_force(runtime: Any, build: Any) -> None:
    class Broken(MemoryStore):
        async def commit(self, revision: StoredRevision) -> None:
            if revision.number > 1:
                raise OSError("disk full")
            await super().commit(revision)

    configurator = Configurator(runtime, Broken())
    await configurator.set_declared(config_pb2.GatewayConfig())
    with pytest.raises(OSError, match="disk full"):
        await commit(configurator, build.upstream())
    assert (configurator.state.revision, runtime.published) == (1, [1])
    await configurator.close()


async def test_a_change_without_difference_makes_no_revision(configurator: Any, runtime: Any, build: Any) -> None:
    first = await commit(configurator, build.upstream())
    again = await commit(configurator, build.upstream())
    assert (again.revision, again.changes) == (first.revision, ())
    assert again.resources.get("upstreams/books") is first.resources.get("upstreams/books")
    assert runtime.published == [1, 2]


async def test_only_what_changed_is_converted(configurator: Any, build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge.control.conversion import whole

    await commit(configurator, build.upstream(), *(build.route(f"routes/r{n}") for n in range(50)))
    converted = []
    real = whole._converted

    def count(message: Any, kind: Any) -> Any:
        converted.append(message.name)
        return real(message, kind)

    monkeypatch.setattr(whole, "_converted", count)
    await commit(configurator, build.route("routes/one-more"))
    assert converted == ["routes/one-more"]


async def test_one_route_among_ten_thousand_is_quick(configurator: Any, build: Any) -> None:
    await commit(configurator, build.upstream(), *(build.route(f"routes/r{n}") for n in range(10_000)))
    begun = time.perf_counter()
    await commit(configurator, build.route("routes/one-more"))
    # some 10 ms; converting all of them again takes fifty times as long
    assert time.perf_counter() - begun < 0.5


async def test_changes_go_on_when_the_caller_goes_away(runtime: Any, build: Any) -> None:
    class Slow(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self.go = asyncio.Event()

        async def commit(self, revision: StoredRevision) -> None:
            if revision.number > 1:
                await self.go.wait()
            await super().commit(revision)

    store = Slow()
    configurator = Configurator(runtime, store)
    await configurator.set_declared(config_pb2.GatewayConfig())
    async with asyncio.TaskGroup() as group:
        change = group.create_task(commit(configurator, build.upstream()))
        await asyncio.sleep(0.01)
        change.cancel()
    store.go.set()
    await configurator.close()
    assert (await store.current()).number == runtime.snapshot.value.revision == configurator.state.revision == 2


async def test_concurrent_changes_happen_one_after_the_other(configurator: Any, runtime: Any, build: Any) -> None:
    await asyncio.gather(*(commit(configurator, build.upstream(f"upstreams/u{n}")) for n in range(20)))
    assert runtime.published == list(range(1, 22))
    assert len(configurator.resources) == 20


async def test_a_change_of_another_gateway_in_the_same_store_is_kept(runtime: Any, build: Any, store: Any) -> None:
    first, second = Configurator(runtime, store), Configurator(type(runtime)(), store)
    await first.set_declared(config_pb2.GatewayConfig())
    await second.set_declared(config_pb2.GatewayConfig())
    await commit(first, build.upstream("upstreams/a"))
    state = await commit(second, build.upstream("upstreams/b"))
    assert set(state.resources.names(_kind("upstreams"))) == {"upstreams/a", "upstreams/b"}
    assert set((await store.current()).resources.names(_kind("upstreams"))) == {"upstreams/a", "upstreams/b"}


async def test_a_conflict_in_the_store_is_tried_again_and_then_given_up(runtime: Any, build: Any) -> None:
    class Contended(MemoryStore):
        conflicts = 2

        async def commit(self, revision: StoredRevision) -> None:
            if revision.number > 1 and self.conflicts:
                self.conflicts -= 1
                raise RevisionConflict("other")
            await super().commit(revision)

    store = Contended()
    configurator = Configurator(runtime, store)
    await configurator.set_declared(config_pb2.GatewayConfig())
    assert (await commit(configurator, build.upstream())).revision == 2
    store.conflicts = 100
    with pytest.raises(EtagMismatch):
        await commit(configurator, build.upstream("upstreams/b"))


def _kind(collection: str) -> Any:
    from edge.control.kinds import KINDS

    return KINDS[collection]


async def test_a_file_and_the_store_together_are_the_configuration(
    configurator: Any, runtime: Any, store: Any, build: Any
) -> None:
    await configurator.set_declared(build.config(build.upstream()), lambda path: "edge.yaml:3:5")
    await commit(configurator, build.route())
    assert set(runtime.snapshot.value.configuration.upstreams) == {"upstreams/books"}
    assert set(runtime.snapshot.value.configuration.routes) == {"routes/books"}
    assert [message.name for message in (await store.current()).resources] == ["routes/books"]


async def test_reading_the_same_file_again_makes_no_revision(configurator: Any, runtime: Any, build: Any) -> None:
    config = build.config(build.upstream(), build.route())
    first = await configurator.set_declared(config, lambda path: "edge.yaml:3:5")
    moved = await configurator.set_declared(config, lambda path: "edge.yaml:4:5")
    assert moved.revision == first.revision
    upstream = moved.resources.get("upstreams/books")
    assert upstream.origin.line == 4
    assert upstream.update_time == first.resources.get("upstreams/books").update_time
    assert configurator.resources.get("upstreams/books") is upstream


async def test_a_changed_file_is_taken(configurator: Any, runtime: Any, build: Any) -> None:
    await configurator.set_declared(build.config(build.upstream(), build.route()))
    state = await configurator.set_declared(build.config(build.upstream(address="a:1")))
    assert {change.name: (change.kind, change.fields) for change in state.changes} == {
        "upstreams/books": (ChangeKind.UPDATED, ("static.endpoints",)),
        "routes/books": (ChangeKind.DELETED, ()),
    }
    assert not runtime.snapshot.value.configuration.routes


async def test_a_wrong_file_changes_nothing_and_says_why_and_where(configurator: Any, runtime: Any, build: Any) -> None:
    before = await configurator.set_declared(build.config(build.upstream()))
    wrong = build.config(build.upstream(address="nowhere"), build.route(to="upstreams/boks"))
    wrong.routes.add(name="routes/books")
    wrong.server.workers = 3
    places = {"routes[0].forward": "edge.yaml:9:3", "upstreams[0].static.endpoints[0].address": "edge.yaml:4:7"}
    with pytest.raises(InvalidRequest) as caught:
        await configurator.set_declared(wrong, lambda path: places.get(path, ""))
    assert {violation.field: violation.source for violation in caught.value.violations} == {
        "server.workers": "",
        "routes[1].name": "",
        "upstreams[0].static.endpoints[0].address": "edge.yaml:4:7",
        "routes[0].forward.upstreams[0].upstream": "edge.yaml:9:3",
    }
    assert configurator.state is before
    assert configurator.last_error is not None
    message, when = configurator.last_error
    assert message.startswith("server.workers: ")
    assert message.endswith("(and 3 more)")
    assert abs(when - time.time()) < 60
    await commit(configurator, build.route())
    await configurator.set_declared(build.config(build.upstream()))
    assert configurator.last_error is None


async def test_a_file_that_could_not_even_be_read_is_noted(configurator: Any) -> None:
    configurator.note_refused("edge.yaml:1:1: no YAML")
    assert configurator.last_error[0] == "edge.yaml:1:1: no YAML"
    await configurator.set_declared(config_pb2.GatewayConfig())
    assert configurator.last_error is None


async def test_a_file_that_does_not_compile_is_told_by_its_places(configurator: Any, runtime: Any, build: Any) -> None:
    runtime.check = refuse
    with pytest.raises(InvalidRequest) as caught:
        await configurator.set_declared(build.config(build.upstream(), build.route()), lambda path: "edge.yaml:1:1")
    (violation,) = caught.value.violations
    assert (violation.field, violation.source) == ("routes[0].matches[0].http.path", "edge.yaml:1:1")
    assert len(configurator.resources) == 0


async def test_a_name_the_api_has_taken_is_refused_in_a_file(configurator: Any, build: Any) -> None:
    await commit(configurator, build.upstream())
    with pytest.raises(InvalidRequest, match="made by the API already"):
        await configurator.set_declared(build.config(build.upstream()))


async def test_a_resource_others_need_cannot_leave_the_file(configurator: Any, build: Any) -> None:
    await configurator.set_declared(build.config(build.upstream()))
    await commit(configurator, build.route())
    with pytest.raises(InvalidRequest, match=r"routes/books\.forward\.upstreams"):
        await configurator.set_declared(config_pb2.GatewayConfig())


async def test_what_a_file_declares_is_changed_there_only(configurator: Any, build: Any) -> None:
    await configurator.set_declared(build.config(build.upstream()), lambda path: "edge.yaml:3:5")
    before = configurator.state
    with pytest.raises(DeclaredInFile, match=r"edge\.yaml line 3"):
        await commit(configurator, build.upstream(address="a:1"))
    with pytest.raises(DeclaredInFile):
        await configurator.commit(
            lambda before: Draft(resources=before.remove("upstreams/books")),
            validate_only=False,
            author="",
            summary="",
        )
    assert configurator.state is before
    assert (await commit(configurator, build.upstream())).revision == before.revision


async def test_a_changed_server_section_is_logged(
    configurator: Any, build: Any, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_pb2.GatewayConfig()
    config.server.limits.max_message_bytes = 5
    await configurator.set_declared(config)
    assert "needs a restart" in caplog.text


def descriptor_set(package: str) -> bytes:
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name="a.proto", package=package, syntax="proto3")
    return descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()


async def test_files_are_read_again_when_asked_and_a_broken_one_blocks_nobody(
    configurator: Any, runtime: Any, build: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.binpb"
    path.write_bytes(descriptor_set("a"))
    schema = schema_pb2.Schema(name="schemas/a", file=str(path))
    first = await commit(configurator, schema)

    path.write_bytes(descriptor_set("b"))
    assert (await commit(configurator, schema)).revision == first.revision
    again = await configurator.reread("schemas/a", author="", summary="")
    assert again.revision == first.revision + 1
    (file,) = runtime.snapshot.value.configuration.schemas["schemas/a"].files
    assert b"b" in file
    assert (await configurator.reread("schemas/a", author="", summary="")).revision == again.revision

    path.write_bytes(b"junk")
    with pytest.raises(InvalidRequest, match=r"schemas/a\.file"):
        await configurator.reread("schemas/a", author="", summary="")
    with pytest.raises(InvalidRequest, match=r"schemas/a\.file"):
        await configurator.set_declared(config_pb2.GatewayConfig())
    await commit(configurator, build.upstream())
    assert runtime.snapshot.value.configuration.schemas["schemas/a"].files == (file,)


async def test_the_memory_store_keeps_the_last_revisions_in_order() -> None:
    store = MemoryStore(keep=3)
    with pytest.raises(RevisionConflict):
        await store.commit(StoredRevision(number=2))
    for number in range(1, 6):
        await store.commit(StoredRevision(number=number))
    with pytest.raises(RevisionConflict):
        await store.commit(StoredRevision(number=5))
    assert (await store.current()).number == 5
    assert [kept.number for kept in await store.revisions()] == [5, 4, 3]
    assert [kept.number for kept in await store.revisions(before=5, limit=1)] == [4]
    found = await store.revision(3)
    assert found is not None
    assert await store.revision(2) is None
    with pytest.raises(ValueError, match="at least"):
        MemoryStore(keep=0)


def test_a_set_shares_what_did_not_change(build: Any) -> None:
    first = Resources([build.upstream(), build.route()])
    second = first.put(build.route("routes/more"))
    assert second.of(_kind("upstreams")) is first.of(_kind("upstreams"))
    assert (len(first), len(second)) == (2, 3)
    assert second.names(_kind("routes")) == ("routes/books", "routes/more")
    third = second.remove("routes/books", "routes/none")
    assert third.names(_kind("routes")) == ("routes/more",)
    assert first.get("routes/books") is not None
    with pytest.raises(ValueError, match="no kind"):
        Resources([config_pb2.Config(name="config")])
