"""The compiled build: which modules mypyc compiles, and the build hook that puts them into a wheel (`make wheel`).

Hatchling loads this file as its custom hook (pyproject.toml). The hook works when the environment variable
`EDGE_COMPILE` is `1` and the target is a wheel; otherwise the build is pure Python. It compiles a copy of the sources,
so that nothing but the wheel has the results. The sources of compiled modules are in the wheel as well: tracebacks show
them, and Python imports the compiled one of the two.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HOT = (
    "edge/wire/*.py",
    "edge/model/call.py",
    "edge/proxy/dispatcher.py",
    "edge/balancing/round_robin.py",
    "edge/model/http.py",
    "edge/listeners/http_fields.py",
    "edge/listeners/http_reader.py",
    "edge/listeners/http_output.py",
    "edge/listeners/http_connection.py",
    "edge/listeners/http_request.py",
    "edge/listeners/http_exchange.py",
    "edge/listeners/http_front.py",
    "edge/listeners/http_head.py",
    "edge/proxy/wire_attempts.py",
    "edge/proxy/wire_call.py",
    "edge/proxy/wire_hedge.py",
    "edge/proxy/wire_invoke.py",
    "edge/proxy/wire_metadata.py",
    "transcoding/finder.py",
    "transcoding/front.py",
    "transcoding/headers.py",
    "transcoding/matching.py",
    "transcoding/session.py",
    "transcoding/rest/responder.py",
    "transcoding/rest/rule.py",
    "transcoding/rules/matcher.py",
)
"""What is compiled, as patterns from the root: what runs for every frame or call."""

NOT_HOT = (
    "edge/wire/__init__.py",  # says whether the others are compiled
    "edge/wire/transport.py",  # asyncio calls it; its classes are subclasses of asyncio's
)
"""What of these is left as it is."""

PACKAGES = ("edge", "transcoding")
"""The packages that have something to compile."""

SWITCH = "EDGE_COMPILE"
"""The environment variable that is `1` for a compiled build."""

GROUP = "edge"
"""The prefix of the module that holds the compiled code of all: `edge__mypyc`."""

DEADLINE = 1800
"""Seconds that compiling may take; it takes about one minute."""

_MYPY = ("--config-file=", "--follow-imports=silent")


def hot_modules(root: Path) -> list[str]:
    """Return the files that are compiled, as paths from `root`, sorted."""
    found = {path.relative_to(root).as_posix() for pattern in HOT for path in root.glob(pattern)}
    return sorted(found.difference(NOT_HOT))


def compile_modules(root: Path, into: Path) -> dict[str, str]:
    """Compile a copy of the package.

    Args:
        root: The folder that has `edge/`.
        into: An empty folder for the copy and the results.

    Returns:
        Where each result is, with its path from the root of the wheel.

    Raises:
        RuntimeError: mypyc or the C compiler refuses a module; what they say is on stderr.
    """
    copy, built = into / "source", into / "built"
    for package in PACKAGES:
        shutil.copytree(root / package, copy / package, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.c"))
    # a process of its own: mypyc works from the current folder, and ends the process when it refuses a module
    command = [sys.executable, "-P", str(Path(__file__).resolve()), str(built)]
    if subprocess.run(command, cwd=copy, check=False, timeout=DEADLINE).returncode:
        raise RuntimeError("the compiled build failed, see above; a build without EDGE_COMPILE=1 is pure Python")
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    results = {str(path): path.relative_to(built).as_posix() for path in sorted(built.rglob(f"*{suffix}"))}
    expected = {module.removesuffix(".py") + suffix for module in hot_modules(root)}
    if missing := expected.difference(results.values()):
        raise RuntimeError(f"the compiled build made no {', '.join(sorted(missing))}")
    return results


def _compile_here(built: Path) -> None:
    """Compile the hot modules below the current folder."""
    from mypyc.build import mypycify
    from setuptools import Distribution  # type: ignore[import-untyped] # its stubs are a package of their own
    from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped] # likewise

    here = Path.cwd()
    work = here.parent / "work"
    modules = hot_modules(here)
    extensions = mypycify(
        [*_MYPY, *modules], opt_level="3", debug_level="0", target_dir=str(work), group_name=GROUP, multi_file=True
    )
    command = build_ext(Distribution({"name": "edge-gateway", "ext_modules": extensions}))
    command.build_lib, command.build_temp, command.parallel = str(built), str(work), os.cpu_count()
    command.ensure_finalized()
    command.run()


class CompiledBuild(BuildHookInterface[Any]):
    """Puts the compiled modules into a wheel beside their sources."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return what the build needs beside hatchling."""
        return ["mypy>=1.14", "setuptools"] if self._compiles else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell hatchling where the results are. An editable install is never compiled."""
        if not self._compiles or version != "standard":
            return
        self._folder = tempfile.mkdtemp(prefix="edge-compiled-")
        try:
            results = compile_modules(Path(self.root), Path(self._folder))
        except BaseException:
            self._remove()  # hatchling does not finalize what failed
            raise
        build_data["force_include"].update(results)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatchling's signature
        """Remove the copy."""
        self._remove()

    def _remove(self) -> None:
        if folder := getattr(self, "_folder", ""):
            shutil.rmtree(folder)

    @property
    def _compiles(self) -> bool:
        return self.target_name == "wheel" and os.environ.get(SWITCH) == "1"


if __name__ == "__main__":
    _compile_here(Path(sys.argv[1]))
