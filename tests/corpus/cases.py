"""The cases of a corpus file, and the file the variable `CORPUS` names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

OWN_FILE = Path(__file__).parent / "transcoding_cases.json"
"""The file that is run when `CORPUS` is not set."""

NORMATIVES = ("must", "should", "choice", "extension")


@dataclass(frozen=True)
class Case:
    """One case as the file has it."""

    number: int
    """Its place in the file, from 0. Names of services and hosts are made from it, never from the id."""

    raw: Json
    """The JSON object."""

    @property
    def id(self) -> str:
        """What it is called in reports."""
        return str(self.raw["id"])

    @property
    def kind(self) -> str:
        """Which of the kinds of the file's `meta.kinds` it is."""
        return str(self.raw["kind"])

    @property
    def normative(self) -> str:
        """One of `NORMATIVES`."""
        return str(self.raw["normative"])

    @property
    def requires(self) -> tuple[str, ...]:
        """The features without which it is not run."""
        return tuple(self.raw.get("requires", ()))

    @property
    def options(self) -> Json:
        """The settings to switch on for it."""
        found: Json = self.raw.get("options", {})
        return found

    @property
    def outcomes(self) -> list[Json]:
        """What is right: one fitting entry is enough."""
        return [self.raw["expect"], *self.raw.get("expect_any_of", ())]

    @property
    def http(self) -> Json:
        """The rule of a case about one method: method, template, body, response_body, and whether it streams."""
        found: Json = self.raw.get("http", {})
        return found

    @property
    def package(self) -> str:
        """The package of its service."""
        return f"corpus.c{self.number}"

    @property
    def service(self) -> str:
        """The full name of its service."""
        return f"{self.package}.Service"

    @property
    def host(self) -> str:
        """The host its requests are addressed to."""
        return f"case-{self.number}.test"

    @property
    def route(self) -> str:
        """The name of its route."""
        return f"routes/case-{self.number}"


@dataclass(frozen=True)
class Corpus:
    """A file of cases."""

    path: Path
    """Where it is."""

    schemas: Json
    """The messages and enums that cases name."""

    cases: tuple[Case, ...]
    """The cases in order."""

    def of(self, *kinds: str) -> Iterator[Case]:
        """Yield the cases of these kinds."""
        return (case for case in self.cases if case.kind in kinds)


def corpus_file() -> Path:
    """Return the file the variable `CORPUS` names, or our copy."""
    return Path(os.environ.get("CORPUS") or OWN_FILE)


def load(path: Path | None = None) -> Corpus:
    """Read a corpus file.

    Args:
        path: The file. None takes what `corpus_file` says.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or two cases have one id.
    """
    path = path or corpus_file()
    found = json.loads(path.read_text(encoding="utf-8"))
    cases = tuple(Case(number, raw) for number, raw in enumerate(found["cases"]))
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise ValueError(f"{path}: two cases have the id {case.id}")
        seen.add(case.id)
    return Corpus(path, found["schemas"], cases)
