"""A gateway of canned answers, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from edge.cli import app
from tests.edge.commands.gateway import Gateway

Edge = Callable[..., Result]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    with made.served():
        yield made


@pytest.fixture
def edge(gateway: Gateway) -> Edge:
    """Run a command against the gateway."""

    def run(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=text, env={"EDGE_ADDRESS": gateway.address})

    return run
