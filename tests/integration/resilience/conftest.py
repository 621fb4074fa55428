"""The gateway that the tests of this folder share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.resilience.place import Place, place


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """The gateway before two backends."""
    async with place(tmp_path_factory.mktemp("resilience")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def here(shared: Place) -> AsyncIterator[Place]:
    """The same, with nothing left behind by each test."""
    shared.script.begin("")
    yield shared
    await shared.quiet()
