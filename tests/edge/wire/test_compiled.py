"""Which modules these tests run: the compiled ones in `make test-compiled`, the sources everywhere else."""

from __future__ import annotations

import ast
import importlib
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from edge.wire import compiled

ROOT = Path(__file__).parents[3]
HOT: list[str] = runpy.run_path(str(ROOT / "tools" / "compiled.py"))["hot_modules"](ROOT)
EXPECTED = bool(os.environ.get("EDGE_TEST_COMPILED"))


@pytest.mark.parametrize("file", HOT)
def test_a_hot_module_is_the_one_under_test(file: str) -> None:
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    assert module.__file__ is not None
    assert module.__file__.endswith(".py") is not EXPECTED
    assert Path(module.__file__).is_relative_to(ROOT / file.partition("/")[0]) is not EXPECTED


@pytest.mark.parametrize("file", HOT)
def test_what_a_compiled_class_comes_from_is_compiled_too(file: str) -> None:
    """A compiled class does not see the attributes of one that is not."""
    tree = ast.parse((ROOT / file).read_text())
    origins = {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    bases = [(made.name, base.id) for made in classes for base in made.bases if isinstance(base, ast.Name)]
    for made, base in bases:
        origin = origins.get(base, "")
        if origin.startswith(("edge.", "transcoding.")):
            assert f"{origin.replace('.', '/')}.py" in HOT, f"{made} comes from {base} of {origin}"


def test_the_package_says_it() -> None:
    assert compiled() is EXPECTED


def test_a_process_that_a_test_starts_has_the_same() -> None:
    command = [sys.executable, "-m", "edge.cli", "version", "-o", "json"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout)["wire"] == ("compiled" if EXPECTED else "pure Python")
