"""Run a corpus file through a gateway and say what became of its cases.

python -m tests.corpus.run [FILE] [--all-features] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# where pytest finds the generated messages too
sys.path[:0] = [str(ROOT / "gen"), str(ROOT / "tests" / "protos")]

from tests.corpus.cases import corpus_file, load  # noqa: E402
from tests.corpus.report import Outcome, summary  # noqa: E402
from tests.corpus.runner import run  # noqa: E402


def main() -> int:
    """Read the command line and run. Returns 1 when a case failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="the corpus (default: the variable CORPUS, or our copy)")
    parser.add_argument("--all-features", action="store_true", help="run also what requires features not offered")
    parser.add_argument("--keep", type=Path, help="a folder for the gateway's files, which stay")
    arguments = parser.parse_args()
    try:
        corpus = load(arguments.file)
    except (OSError, ValueError, KeyError) as error:
        parser.error(f"{arguments.file or corpus_file()} is no corpus: {error}")
    with tempfile.TemporaryDirectory(prefix="corpus-") as scratch:
        folder = arguments.keep or Path(scratch)
        results = asyncio.run(run(corpus, folder, everything=arguments.all_features))
    for line in summary(results):
        print(line)  # noqa: T201 - it talks to a person
    return 1 if any(result.outcome is Outcome.FAILED for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
