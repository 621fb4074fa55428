"""Asks buf whether the protos break what the main branch has, where there is a main branch to compare with.

Compares with `origin/main`, else with the commit before. A repository without any of them (a first
commit, an export without history) has nothing to break, and says so.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = Path(sysconfig.get_path("scripts")) / "buf"
FOLDER = "proto/gateway"


def revisions() -> list[str]:
    """Return what can be compared with, best first."""
    return [name for name in ("origin/main", "HEAD~1") if git("rev-parse", "--verify", "--quiet", name)]


def git(*arguments: str) -> str:
    """Return what git prints, or nothing when it refuses."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def main() -> int:
    """Compare and return the exit code."""
    for revision in revisions():
        if git("ls-tree", "-d", revision, FOLDER):
            against = f".git#ref={git('rev-parse', revision)},subdir=proto"
            print(f"buf breaking against {revision}")
            return subprocess.run([BUF, "breaking", "proto", "--against", against], cwd=ROOT, check=False).returncode
    print("there is no earlier version of the protos to break")
    return 0


if __name__ == "__main__":
    sys.exit(main())
