"""How lines of the log look, and where they go: JSON or plain text, one line each, on stderr.

Structured values go along as `logger.info("…", extra={FIELDS: {"name": value}})`. Both formats escape control
characters, so that nothing a caller sends can make a second line.
"""

from __future__ import annotations

import datetime
import json
import logging
import sys
from typing import Final, TextIO

FIELDS: Final = "fields"
"""The attribute of a log record that holds structured values by name."""

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
"""The levels to choose from."""

FORMATS: Final = ("json", "console")
"""The formats to choose from. Empty is console on a terminal and JSON elsewhere."""


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields = getattr(record, FIELDS, None)
    return fields if isinstance(fields, dict) else {}


def _time(record: logging.LogRecord) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(record.created, datetime.UTC)


class JsonFormatter(logging.Formatter):
    """One JSON object a line. A value never replaces what every line has: `time`, `level`, `logger`, `message`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in _fields(record).items():
            line.setdefault(name, value)
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=str)


class ConsoleFormatter(logging.Formatter):
    """Time, level, logger, message, then `name=value`, for people. Tracebacks follow on lines of their own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = _time(record).astimezone().strftime("%H:%M:%S.%f")[:-3]
        words = [time, f"{record.levelname:<7}", record.name, _escaped(record.getMessage())]
        words += [f"{name}={_quoted(value)}" for name, value in _fields(record).items()]
        lines = [" ".join(words)]
        if record.exc_info:
            lines.append(self.formatException(record.exc_info))
        if record.stack_info:
            lines.append(self.formatStack(record.stack_info))
        return "\n".join(lines)


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _quoted(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and not set(' "=') & set(text) else json.dumps(text)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that configuring again replaces it and leaves the handlers of others alone."""


def configure(level: str = "INFO", format: str = "", *, stream: TextIO | None = None) -> None:  # noqa: A002 - the setting's name
    """Send every log to stderr. Doing it again replaces what was set before.

    Args:
        level: One of `LEVELS`.
        format: One of `FORMATS`, or empty for console on a terminal and JSON elsewhere.
        stream: Where lines go instead of stderr.

    Raises:
        ValueError: there is no such level or format.
    """
    if level.upper() not in LEVELS:
        raise ValueError(f"log level {level!r} is not one of {', '.join(LEVELS)}")
    if format and format not in FORMATS:
        raise ValueError(f"log format {format!r} is not one of {', '.join(FORMATS)}")
    target = sys.stderr if stream is None else stream
    console = format == "console" or (not format and target.isatty())
    handler = _Handler(target)
    handler.setFormatter(ConsoleFormatter() if console else JsonFormatter())
    root = logging.getLogger()
    for previous in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(previous)
    root.addHandler(handler)
    root.setLevel(level.upper())
