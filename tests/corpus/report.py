"""What became of the cases, as a table and a list."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.corpus.cases import NORMATIVES, Case
from tests.corpus.features import missing, reason


class Outcome(enum.Enum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Result:
    """What became of a case, and why."""

    case: Case
    """The case."""

    outcome: Outcome
    """What became of it."""

    reason: str = ""
    """What was wrong, or why it was not run."""


def table(results: Sequence[Result]) -> Iterator[str]:
    """Yield the lines of a table of passed, failed and skipped per kind and `normative`, with sums."""
    counts: Counter[tuple[str, str, Outcome]] = Counter()
    for result in results:
        for kind in (result.case.kind, "all"):
            for normative in (result.case.normative, "all"):
                counts[kind, normative, result.outcome] += 1
    kinds = dict.fromkeys(result.case.kind for result in results)
    others = dict.fromkeys(result.case.normative for result in results)
    columns = [*(name for name in NORMATIVES if name in others), *(o for o in others if o not in NORMATIVES), "all"]
    yield f"{'passed/failed/skipped':<24}" + "".join(f"{column:>16}" for column in columns)
    for kind in (*kinds, "all"):
        cells = []
        for column in columns:
            numbers = [counts[kind, column, outcome] for outcome in Outcome]
            cells.append("/".join(map(str, numbers)) if any(numbers) else "-")
        yield f"{kind:<24}" + "".join(f"{cell:>16}" for cell in cells)


def summary(results: Sequence[Result]) -> Iterator[str]:
    """Yield the table, the failures, and the features that are not offered."""
    yield from table(results)
    for result in results:
        if result.outcome is Outcome.FAILED:
            yield f"FAILED {result.case.kind} {result.case.normative} {result.case.id}: {result.reason}"
    yield from _skipped(result for result in results if result.outcome is Outcome.SKIPPED)


def _skipped(results: Iterable[Result]) -> Iterator[str]:
    by_feature: dict[str, list[str]] = {}
    for result in results:
        for feature in missing(result.case):
            by_feature.setdefault(feature, []).append(result.case.id)
    for feature, ids in sorted(by_feature.items()):
        yield f"SKIPPED {feature}: {reason(feature)} ({len(ids)}: {', '.join(ids)})"
