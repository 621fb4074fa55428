from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from edge.telemetry.logs import FIELDS, configure

log = logging.getLogger("test.logs")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_has_one_object_a_line() -> None:
    stream = io.StringIO()
    configure("INFO", "json", stream=stream)
    log.debug("not this")
    log.info("two %s", "words\nhere", extra={FIELDS: {"code": "OK", "level": "forged", "odd": {1}}})
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("failed")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["time"].endswith("Z")
    del first["time"]
    assert first == {
        "level": "INFO",
        "logger": "test.logs",
        "message": "two words\nhere",
        "code": "OK",
        "odd": "{1}",
    }
    assert "ValueError: broken" in second["error"]


def test_console_has_one_line_whatever_is_in_it() -> None:
    stream = io.StringIO()
    configure("debug", "console", stream=stream)
    log.debug("a\nb", extra={FIELDS: {"method": "/s/M", "cause": 'is "x"\x1b[2J\n', "empty": "", "n": 3}})
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line.endswith('DEBUG   test.logs a\\nb method=/s/M cause="is \\"x\\"\\u001b[2J\\n" empty="" n=3\n')


def test_an_empty_format_is_console_on_a_terminal_and_json_elsewhere() -> None:
    terminal, file = Terminal(), io.StringIO()
    configure("INFO", "", stream=terminal)
    log.info("x")
    configure("INFO", "", stream=file)
    log.info("y")
    assert "test.logs x" in terminal.getvalue()
    assert json.loads(file.getvalue())["message"] == "y"


def test_configuring_again_replaces_only_what_was_configured_before() -> None:
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    before = len(logging.getLogger().handlers)
    configure("INFO", "json", stream=io.StringIO())
    configure("ERROR", "json", stream=io.StringIO())
    assert len(logging.getLogger().handlers) == before + 1
    assert other in logging.getLogger().handlers
    assert logging.getLogger().level == logging.ERROR


@pytest.mark.parametrize(("level", "style"), [("LOUD", "json"), ("INFO", "xml")])
def test_what_there_is_not_is_refused_by_name(level: str, style: str) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        configure(level, style)
