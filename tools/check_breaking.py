"""Asks buf whether the protos break what an earlier revision has, where there is one to compare with.

Compares with `origin/main`, else with the commit before. A repository without either (a first commit, an export without
history) has nothing to break, and says so.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import generate

ROOT = generate.ROOT
BUF = Path(sysconfig.get_path("scripts")) / "buf"
EARLIER = ROOT / ".build" / "earlier"


def git(*arguments: str) -> bytes | None:
    """Return what git prints, or None when it refuses."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def export(revision: str) -> bool:
    """Lay out the protos of a revision as a buf workspace of their own; return whether it has any."""
    archive = git("archive", "--format=tar", revision, "proto")
    if archive is None:
        return False
    shutil.rmtree(EARLIER, ignore_errors=True)
    EARLIER.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(EARLIER, filter="data")
    # what they import is not in the revision: it is copied from a package
    shutil.copytree(generate.GOOGLEAPIS, EARLIER / ".build" / "googleapis")
    shutil.copyfile(ROOT / "buf.yaml", EARLIER / "buf.yaml")
    return True


def main() -> int:
    """Compare and return the exit code."""
    generate.copy_googleapis()
    for revision in ("origin/main", "HEAD~1"):
        if export(revision):
            print(f"buf breaking against {revision}")
            return subprocess.run([BUF, "breaking", "--against", EARLIER], cwd=ROOT, check=False).returncode
    print("there is no earlier version of the protos to break")
    return 0


if __name__ == "__main__":
    sys.exit(main())
