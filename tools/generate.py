"""Generates the Python stubs from the protos, the same on every machine.

    python tools/generate.py            writes gen/ and the stubs of the examples
    python tools/generate.py --googleapis   only copies the imported google/* protos to .build/, for buf

The .proto files of google/api and google/rpc come from the googleapis-common-protos package, which also ships their
Python modules, so nothing of theirs is generated or committed.
"""

from __future__ import annotations

import argparse
import importlib.resources
import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOOGLEAPIS = ROOT / ".build" / "googleapis"
SOURCES = (
    # (root of the protos, folder of the stubs)
    (ROOT / "proto", ROOT / "gen"),
    (ROOT / "examples" / "bookstore" / "proto", ROOT / "examples" / "bookstore"),
    (ROOT / "tests" / "protos", ROOT / "tests" / "protos"),
)


def main(argv: list[str] | None = None) -> int:
    """Generate what the command line asks for and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--googleapis", action="store_true", help="only copy the google/* protos to .build/")
    arguments = parser.parse_args(argv)
    copy_googleapis()
    if arguments.googleapis:
        return 0
    for protos, stubs in SOURCES:
        if protos.is_dir():
            generate(protos, stubs)
    return 0


def copy_googleapis() -> None:
    """Copy google/api and google/rpc to .build/googleapis, as buf wants a module in a folder of its own."""
    for package in ("api", "rpc"):
        spec = importlib.util.find_spec(f"google.{package}")
        if spec is None or not spec.submodule_search_locations:
            sys.exit(f"google/{package}/*.proto not found: pip install googleapis-common-protos")
        source = Path(next(iter(spec.submodule_search_locations)))
        target = GOOGLEAPIS / "google" / package
        target.mkdir(parents=True, exist_ok=True)
        for proto in source.glob("*.proto"):
            shutil.copyfile(proto, target / proto.name)


def generate(protos: Path, stubs: Path) -> None:
    """Replace the stubs below `stubs` by new ones for the protos below `protos`."""
    for old in stale(stubs):
        old.unlink()
    files = sorted(path.relative_to(protos).as_posix() for path in protos.rglob("*.proto"))
    includes = [f"--proto_path={path}" for path in (protos, GOOGLEAPIS, well_known_types())]
    outputs = [f"--python_out={stubs}", f"--pyi_out={stubs}"]
    protoc([*includes, *outputs, *files])
    # protoc's gRPC plug-in writes a file for every proto it is given, so it is given those with services only.
    services = [name for name in files if "\nservice " in (protos / name).read_text()]
    if services:
        protoc([*includes, f"--grpc_python_out={stubs}", *services])


def stale(stubs: Path) -> Iterator[Path]:
    """Yield the generated files below `stubs`."""
    for pattern in ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py"):
        yield from stubs.rglob(pattern)


def well_known_types() -> Path:
    """Return the folder that holds google/protobuf/*.proto."""
    return Path(str(importlib.resources.files("grpc_tools"))) / "_proto"


def protoc(arguments: list[str]) -> None:
    """Run protoc.

    Raises:
        SystemExit: protoc refused the input; it has said why.
    """
    from grpc_tools import protoc as compiler

    if code := compiler.main(["protoc", *arguments]):
        sys.exit(int(code))


if __name__ == "__main__":
    sys.exit(main())
