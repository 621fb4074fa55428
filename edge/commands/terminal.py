"""Talking to a person: consoles, exit codes, and failures in plain words."""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.model.errors import InvalidRequest

_WIDE = 100_000
"""Columns of a console that is not a terminal, so that nothing is cut off or wrapped."""

_SHORT = 22
"""Columns no wider than this keep their lines whole on a narrow terminal, as long as that is possible."""


class ExitCode(enum.IntEnum):
    """What the commands end with. `edge --help` documents them."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    NO_ROUTE = 5
    INTERRUPTED = 130


class Failure(Exception):
    """The command cannot do what was asked.

    Args:
        code: What the command ends with.
        message: What went wrong and how to mend it, without a full stop.
        details: More, one line each.
    """

    def __init__(self, code: ExitCode, message: str, details: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)

    def show(self) -> None:
        """Print the failure for people, on stderr."""
        console = errors()
        console.print(Text.assemble(("error: ", "bold red"), clean(self.message)))
        for line in self.details:
            console.print(Text(f"  {clean(line)}"))


def invalid(error: InvalidRequest) -> Failure:
    """Return the failure for a configuration that is wrong, with each mistake on a line of its own."""
    count = len(error.violations)
    if not count:
        return Failure(ExitCode.REFUSED, error.message)
    message = "the configuration is wrong" if count == 1 else f"the configuration has {count} mistakes"
    return Failure(ExitCode.REFUSED, message, [str(violation) for violation in error.violations])


def output() -> Console:
    """Return the console for results. It has colours only on a terminal and never cuts off what is piped."""
    return _console(stderr=False)


def errors() -> Console:
    """Return the console for everything else."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True)


def note(text: str) -> None:
    """Print something a person may want to know and a script does not, on stderr."""
    errors().print(Text(clean(text), style="dim"))


def write(text: str) -> None:
    """Print a text as it is, on stdout."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def clean(text: str) -> str:
    """Return a text without characters that move the cursor or change the terminal."""
    return "".join(char if char.isprintable() else "\ufffd" if char != "\n" else char for char in text)


def table(headers: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print a table. A cell may have several lines."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    widths = [max(len(header), *(_width(row[at]) for row in cells), 0) for at, header in enumerate(headers)]
    fits = sum(min(width, _SHORT) + 2 for width in widths) <= output().width
    for header, width in zip(headers, widths, strict=True):
        grid.add_column(header, overflow="fold", no_wrap=fits and width <= _SHORT)
    for row in cells:
        grid.add_row(*row)
    _show(grid)


def facts(rows: Iterable[tuple[str, str | Text]]) -> None:
    """Print names and what they stand for, one under the other. Those without a value are left out."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in rows:
        if value:
            grid.add_row(Text(name), _cell(value))
    _show(grid)


def heading(text: str) -> None:
    """Print a heading with an empty line before it."""
    output().print(Text(f"\n{clean(text)}", style="bold underline"))


def state(word: str) -> Text:
    """Return the word for a state in the colour that goes with it."""
    good, bad = {"HEALTHY", "ACTIVE", "CLOSED", "OK"}, {"UNHEALTHY", "EJECTED", "OPEN"}
    return Text(word, style="green" if word in good else "red" if word in bad else "yellow")


def _cell(value: str | Text) -> Text:
    return value if isinstance(value, Text) else Text(clean(value))


def _width(cell: Text) -> int:
    return max((line.cell_len for line in cell.split()), default=0)


def _show(grid: Any) -> None:
    console = output()
    if console.is_terminal:
        console.print(grid, soft_wrap=False)
        return
    with console.capture() as capture:
        console.print(grid, soft_wrap=False)
    write("\n".join(line.rstrip() for line in capture.get().splitlines()))
