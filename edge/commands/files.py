"""`edge serve` and `edge validate`: configuration files, without a gateway.

`edge.app` is imported when it is needed: it loads the whole gateway.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from edge.commands.terminal import ExitCode, Failure, invalid, write
from edge.control.yaml_config import load
from edge.model.errors import InvalidRequest, Violation


def serve(config: Path | None, *, ready_file: Path | None, log_level: str | None) -> int:
    """Run a gateway until it is stopped. Return what the process ends with."""
    import edge.app
    from edge.listeners import ListenError

    try:
        return edge.app.serve(config, ready_file=ready_file, log_level=log_level)
    except InvalidRequest as error:
        raise invalid(error) from error
    except (ListenError, OSError) as error:
        raise Failure(ExitCode.REFUSED, f"the gateway cannot start: {error}") from error


def validate(files: Iterable[Path]) -> None:
    """Check configuration files as a whole and say which are valid."""
    import edge.app

    violations: list[Violation] = []
    for path in files:
        try:
            edge.app.validate(path)
            config = load(read(path), name=str(path), environment=os.environ).config
        except InvalidRequest as error:
            violations += error.violations or [Violation("", error.message, str(path))]
        else:
            collections = ("routes", "upstreams", "policies", "consumers", "schemas")
            counts = [(len(getattr(config, name)), name) for name in collections]
            shown = [count(number, name) for number, name in counts if number or name in {"routes", "upstreams"}]
            write(f"{path}: valid, {', '.join(shown)}")
    if violations:
        raise invalid(InvalidRequest.of(violations))


def read(path: Path) -> str:
    """Return the text of a file.

    Raises:
        Failure: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(ExitCode.REFUSED, f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise Failure(ExitCode.REFUSED, f"{path} is not a text in UTF-8 (byte {error.start})") from error


def count(number: int, plural: str) -> str:
    """Return a number of resources in words, as in `1 policy`."""
    if number != 1:
        return f"{number} {plural}"
    return f"1 {plural.removesuffix('ies')}y" if plural.endswith("ies") else f"1 {plural.removesuffix('s')}"
