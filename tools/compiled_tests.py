"""`make test-compiled`: the tests of what is compiled on the wheel that `make wheel` made.

    python tools/compiled_tests.py [--only-install] [PYTEST ARGUMENT…]

The wheel gets a virtual environment of its own, `.build/compiled-venv`, which sees the packages of the one this runs in
and nothing of its editable install. Benchmarks start the compiled gateway from there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".build" / "compiled-venv"
TESTS = (
    "tests/edge/wire",
    "tests/edge/listeners",
    "tests/edge/proxy",
    "tests/transcoding",
    "tests/integration/wire/test_conformance.py",
)


def install() -> Path:
    """Make the environment anew with the newest wheel in dist/, and return its site-packages.

    Raises:
        SystemExit: there is no compiled wheel.
    """
    wheels = [path for path in (ROOT / "dist").glob("*.whl") if not path.name.endswith("-none-any.whl")]
    if not wheels:
        raise SystemExit("dist/ has no compiled wheel: make wheel")
    wheel = max(wheels, key=lambda path: path.stat().st_mtime)
    venv.create(FOLDER, clear=True, with_pip=False, symlinks=True)
    python = FOLDER / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(FOLDER), "platbase": str(FOLDER)}))
    # .pth files of a folder that is named by a .pth file are not read: our editable install stays unseen
    (packages / "shared.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install"]
    subprocess.run([*command, "--quiet", "--no-index", "--no-deps", "--force-reinstall", str(wheel)], check=True)
    print(f"{wheel.name} installed in {FOLDER.relative_to(ROOT)}")
    return packages


def test(packages: Path, arguments: list[str]) -> int:
    """Run the tests on the installed wheel and return pytest's exit code."""
    # the wheel in front of the root, for the tests as for processes they start from the root (hence SAFEPATH)
    path = [packages, ROOT, ROOT / "gen", ROOT / "examples" / "bookstore", ROOT / "tests" / "protos"]
    environment = {
        "EDGE_TEST_COMPILED": "1",
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONSAFEPATH": "1",
    }
    command = [str(FOLDER / "bin" / "python"), "-m", "pytest", "-o", "pythonpath="]
    tests = [name for name in TESTS if (ROOT / name).exists()]
    return subprocess.run([*command, *tests, *arguments], cwd=ROOT, env={**os.environ, **environment}).returncode


if __name__ == "__main__":
    given = sys.argv[1:]
    installed = install()
    sys.exit(0 if given == ["--only-install"] else test(installed, given))
