"""What the YAML parser complains about, in words that say what to do."""

from __future__ import annotations

import re

import yaml

_RULES: tuple[tuple[str, str], ...] = (
    (
        r"mapping values are not allowed",
        "a `:` does not fit here; check the indentation of this line, and put quotes around a text that holds `: `",
    ),
    (r"could not find expected ':'", "a key without `:`, or a text that goes on in a line with too little indentation"),
    (
        r"did not find expected (key|'-' indicator)|expected <block end>|block (sequence|collection|mapping)",
        "the indentation of this line does not fit the lines above it",
    ),
    (r"did not find expected ',' or '\]'|expected ',' or '\]'", "a list that begins with `[` lacks a `,` or its `]`"),
    (r"did not find expected ',' or '}'|expected ',' or '}'", "a mapping that begins with `{` lacks a `,` or its `}`"),
    (r"unexpected (end of stream|document indicator)", "a quoted text has no closing quote"),
    (
        r"unknown escape character|invalid Unicode character escape|escape sequence",
        "this is no escape after `\\`; use single quotes for a text with backslashes",
    ),
    (r"did not find expected <document start>", "only one value may stand here; check the indentation of this line"),
    (r"control characters are not allowed|special characters are not allowed", "control characters are not allowed"),
    (r"duplicate anchor|second occurrence", "an anchor of this name is there already"),
    (r"unexpected token|did not find expected node content", "a value is missing here, or does not fit"),
)


def explain(error: yaml.YAMLError, text: str) -> tuple[str, int, int]:
    """Return what is wrong in words for people, and the line and column, both from 1."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or ""
        line, column = (mark.line, mark.column) if mark is not None else (0, 0)
        begun = error.context_mark
        here = _line(text, line)
        if "${" in here and "expected ',' or" in problem:
            return "put `${…}` in quotes where it stands between `{ }` or `[ ]`", line + 1, here.index("${") + 1
        words = _words(problem, here[column : column + 1])
        if begun is not None and begun.line < line:
            words += f" (it begins in line {begun.line + 1})"
        return words, line + 1, column + 1
    position = getattr(error, "position", 0) or 0
    if not isinstance(position, int):
        position = 0
    before = text[:position]
    words = _words(str(getattr(error, "reason", "")), "")
    return words, before.count("\n") + 1, len(before) - before.rfind("\n")


def _words(problem: str, character: str) -> str:
    if "cannot start any token" in problem:
        if character == "\t":
            return "a tab cannot be used for indentation; use spaces"
        return f"a value cannot begin with `{character}`; put it in quotes" if character else "put this value in quotes"
    for pattern, words in _RULES:
        if re.search(pattern, problem):
            return words
    return f"this is not valid YAML: {problem}" if problem else "this is not valid YAML"


def _line(text: str, line: int) -> str:
    lines = text.split("\n", line + 1)
    return lines[line] if line < len(lines) else ""
