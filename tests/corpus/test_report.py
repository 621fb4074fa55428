from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.cases import Case, load
from tests.corpus.features import FEATURES, missing, transcoding, unknown_options
from tests.corpus.report import Outcome, Result, summary, table


def case(kind: str = "response", normative: str = "must", **more: object) -> Case:
    return Case(0, {"id": f"{kind}-1", "kind": kind, "normative": normative, "expect": {}, **more})


def test_the_table_counts_per_kind_and_normative() -> None:
    results = [
        Result(case(), Outcome.PASSED),
        Result(case(), Outcome.FAILED, "why"),
        Result(case("status_map", "extension"), Outcome.SKIPPED),
    ]
    rows = {line.split()[0]: line.split()[1:] for line in table(results)}
    assert rows["passed/failed/skipped"] == ["must", "extension", "all"]
    assert rows["response"] == ["1/1/0", "-", "1/1/0"]
    assert rows["status_map"] == ["-", "0/0/1", "0/0/1"]
    assert rows["all"] == ["1/1/0", "0/0/1", "1/1/1"]


def test_failures_and_features_not_offered_are_named() -> None:
    skipped = case("path_match", "extension", requires=["double_star_not_last"])
    lines = list(summary([Result(case(), Outcome.FAILED, "why"), Result(skipped, Outcome.SKIPPED)]))
    assert "FAILED response must response-1: why" in lines
    assert any(line.startswith("SKIPPED double_star_not_last: google.api.http") for line in lines)


def test_every_feature_the_corpus_requires_is_decided() -> None:
    assert {name for found in load().cases for name in found.requires} <= FEATURES.keys()


def test_a_feature_nobody_decided_on_is_not_offered() -> None:
    assert missing(case(requires=["teleportation"])) == ("teleportation",)
    assert missing(case(requires=["emit_defaults"])) == ()


def test_settings_of_a_case_become_those_of_its_route() -> None:
    assert transcoding(case()) == {}
    assert transcoding(case(requires=["emit_defaults"])) == {"json": {"print_defaults": True}}
    assert transcoding(case(options={"ignore_unknown_query_parameters": True})) == {"strictness": "STRICTNESS_LENIENT"}
    assert transcoding(case(options={"emit_defaults": False})) == {}
    assert unknown_options(case(options={"send": "x", "warp": 9})) == ["warp"]


def test_a_file_with_one_id_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "corpus.json"
    file.write_text('{"schemas": {}, "cases": [{"id": "a"}, {"id": "a"}]}')
    with pytest.raises(ValueError, match="two cases have the id a"):
        load(file)


def test_the_variable_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "corpus.json"
    file.write_text('{"schemas": {}, "cases": []}')
    monkeypatch.setenv("CORPUS", str(file))
    assert load().path == file
