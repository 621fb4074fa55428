"""Who may import whom (DESIGN section 4), as data."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LIBRARIES_OF_WIRES = {"grpc", "aiohttp", "grpc_health", "grpc_reflection", "grpc_status"}

MAY_IMPORT: dict[str, set[str]] = {
    # package of ours: what of ours it may import beside itself
    "edge.model": set(),
    "edge.tasks": set(),
    "edge.servicing": {"edge.model"},
    "edge.routing": {"edge.model"},
    "edge.balancing": {"edge.model"},
    "edge.resilience": {"edge.model"},
    "edge.policies": {"edge.model"},
    "edge.discovery": {"edge.model", "edge.tasks"},
    "edge.telemetry": {"edge.model"},
    "edge.wire": {"edge.model"},
    "edge.upstream": {"edge", "edge.model", "edge.tasks", "edge.balancing", "edge.discovery", "edge.wire"}
    | {"edge.resilience"},
    "edge.proxy": {"edge", "edge.model", "edge.tasks", "edge.routing", "edge.policies", "edge.upstream", "edge.wire"}
    | {"edge.resilience"},
    "edge.control": {"edge.model", "edge.servicing", "edge.tasks", "gateway"},
    "edge.admin": {"edge.model", "edge.servicing", "edge.tasks", "edge.routing", "edge.telemetry", "edge.upstream"}
    | {"edge", "gateway"},
    "edge.listeners": {"edge.model", "edge.tasks", "edge.wire"},
    "transcoding": {"edge.model"},
}
"""edge.app, edge.cli with its commands and edge.demo know everybody; nobody knows them."""

ROOTS = {
    "edge",
    "edge.__main__",
    "edge.app",
    "edge.gateway",
    "edge.ports",
    "edge.admin_rest",
    "edge.cli",
    "edge.commands",
    "edge.demo",
}

KNOW_AIOHTTP = {"edge.listeners.http_websocket", "edge.upstream", *ROOTS}
"""Where aiohttp may be used: for the frames of callers' WebSockets, its client side where endpoints are."""

ASKS_BY_HTTP = {"edge.discovery.http_json"}
"""The modules of packages that know no wire which ask others by HTTP, with aiohttp's client."""

KNOW_ASYNCIO = {"edge.wire.transport"}
"""The modules of the sans-IO engine that may use asyncio."""

NO_WIRES = {
    "edge.wire",
    "transcoding",
    "edge.model",
    "edge.routing",
    "edge.balancing",
    "edge.resilience",
    "edge.policies",
    "edge.telemetry",
    "edge.discovery",
}
"""Packages that know no wire: neither grpc nor aiohttp."""


def modules() -> Iterator[tuple[str, Path]]:
    for top in ("edge", "transcoding"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def package_of(module: str) -> str:
    """Return the part of the table a module belongs to."""
    for root in sorted(MAY_IMPORT.keys() | ROOTS, key=len, reverse=True):
        if module == root or module.startswith(f"{root}.") or (root != "edge" and module.startswith(f"{root}_")):
            return root
    return module.split(".")[0]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import hides who imports whom"
            assert node.module is not None
            yield node.module
            if node.module == "edge":
                yield from (f"edge.{alias.name}" for alias in node.names if alias.name.islower())


@pytest.mark.parametrize(("module", "path"), [pytest.param(*pair, id=pair[0]) for pair in modules()])
def test_a_module_imports_only_what_its_package_may(module: str, path: Path) -> None:
    package = package_of(module)
    if package in ROOTS:
        return
    assert package in MAY_IMPORT, f"{module} is in a package that the table does not know"
    allowed = MAY_IMPORT[package] | {package}
    for name in imports(path):
        if name.split(".")[0] in ("edge", "transcoding", "gateway"):
            target = package_of(name)
            assert target in allowed, f"{module} imports {name}; {package} may import {sorted(allowed)}"
        if module in ASKS_BY_HTTP and name == "aiohttp":
            continue
        if package in NO_WIRES:
            assert name.split(".")[0] not in LIBRARIES_OF_WIRES, f"{module} imports {name}, but {package} knows no wire"
        if package == "edge.wire" and name.split(".")[0] in ("asyncio", "socket", "ssl", "selectors"):
            assert module in KNOW_ASYNCIO, f"{module} imports {name}; the engine is sans-IO but for {KNOW_ASYNCIO}"
        if name.split(".")[0] == "aiohttp":
            assert KNOW_AIOHTTP & {module, package}, f"{module} imports {name}; aiohttp stays in {sorted(KNOW_AIOHTTP)}"


def test_modules_stay_small() -> None:
    """A module of more than 320 lines is where two roles have met (300 and the imports)."""
    large = {module: count for module, path in modules() if (count := len(path.read_text().splitlines())) > 320}
    assert not large


def test_every_package_says_what_it_is() -> None:
    for _, path in modules():
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


@pytest.mark.parametrize("path", [pytest.param(path, id=name) for name, path in modules() if "wire" in path.parts])
def test_what_is_compiled_names_each_exception_of_a_function_otherwise(path: Path) -> None:
    """To mypyc a name has one type in a function: the second `except … as error` of another type raises TypeError."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            names = [node.name for node in ast.walk(function) if isinstance(node, ast.ExceptHandler) and node.name]
            assert len(names) == len(set(names)), f"{path.name}: {function.name} names two exceptions alike"
