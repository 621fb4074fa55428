from __future__ import annotations

import pytest

from transcoding.unknown import UnknownFields


def test_each_is_counted_and_each_kind_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    unknown = UnknownFields("routes/a")
    for problem in ("titel", "titel", "other"):
        unknown(problem)
    assert unknown.count == 3
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["titel", "other"]


def test_callers_cannot_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    unknown = UnknownFields("routes/a")
    for number in range(1000):
        unknown(f"field{number}")
    assert unknown.count == 1000
    assert len(caplog.records) == 100
