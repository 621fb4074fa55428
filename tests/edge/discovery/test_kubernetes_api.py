"""The slices of a service as a watch tells them, with what a real API server sent."""

from __future__ import annotations

import pytest

from edge.discovery.kubernetes_api import GoneError, RefusedError, SliceSet
from edge.discovery.kubernetes_slices import PortChoice, resolve
from tests.support.kube_api import endpoint, endpoint_slice, recorded


def listed() -> SliceSet:
    """Return what the recorded list told."""
    result = SliceSet()
    first, second = recorded("list_page_1.json"), recorded("list_page_2.json")
    result.replace(first["items"] + second["items"], second["metadata"]["resourceVersion"])
    return result


def test_the_recorded_watch() -> None:
    slices = listed()
    assert slices.version == "233"
    before = slices.slices
    changed = [slices.apply(event) for event in recorded("watch.jsonl")]
    # a pod leaves, a slice that was not listed goes, a bookmark, an annotation
    assert changed == [True, False, False, False]
    assert slices.version == "236"
    assert slices.slices[1:] == before[1:]
    resolved = resolve(slices.slices, PortChoice())
    assert resolved.addresses is not None
    assert [(one.address, one.draining) for one in resolved.addresses] == [
        ("10.1.0.1:50051", True),
        ("10.1.0.2:50051", True),
    ]


def test_the_recorded_watch_of_a_version_that_is_gone() -> None:
    slices = listed()
    before = slices.slices
    (event,) = recorded("watch_too_old.jsonl")
    with pytest.raises(GoneError):
        slices.apply(event)
    assert (slices.version, slices.slices) == ("", before)


def test_another_error_in_a_watch() -> None:
    slices = listed()
    with pytest.raises(RefusedError, match="has ended the watch: it does not say why"):
        slices.apply({"type": "ERROR", "object": {"code": 500}})
    assert not slices.version


def test_slices_come_change_and_go() -> None:
    slices = SliceSet()
    slices.replace([], "1")

    def event(kind: str, version: int, name: str, host: str) -> bool:
        document = endpoint_slice(name, endpoint(host))
        document["metadata"] |= {"resourceVersion": str(version)}
        return slices.apply({"type": kind, "object": document})

    assert event("ADDED", 2, "b", "10.0.0.2")
    assert event("ADDED", 3, "a", "10.0.0.1")
    assert [one.endpoints[0].host for one in slices.slices] == ["10.0.0.1", "10.0.0.2"]
    assert not event("MODIFIED", 4, "a", "10.0.0.1")
    assert event("MODIFIED", 5, "a", "10.0.0.3")
    assert event("DELETED", 6, "a", "10.0.0.3")
    assert not event("DELETED", 7, "a", "10.0.0.3")
    assert slices.version == "7"
