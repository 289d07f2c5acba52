"""Fixtures of the command line's tests."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Cli
from tests.client.conftest import api
from tests.client.fake_api import FakeApi

__all__ = ["api"]


@pytest.fixture
def stranger(api: FakeApi, tmp_path: Path) -> Cli:
    """A machine that nobody has signed in on."""
    return Cli(api, tmp_path)


@pytest.fixture
def cli(stranger: Cli) -> Cli:
    """A customer's machine, signed in by the environment."""
    stranger.sign_in()
    return stranger


@pytest.fixture
def web(cli: Cli) -> dict[str, Any]:
    """An allocation that is active, and has run for 65 minutes."""
    return cli.api.world.allocation("web", next(iter(cli.api.world.skus.values())))


@pytest.fixture
def operator(stranger: Cli) -> Cli:
    """An operator's machine."""
    stranger.as_operator()
    return stranger
