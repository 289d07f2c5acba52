"""Fixtures of the command line's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Cli
from tests.client.fake_api import FakeApi, serving


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A server with a furnished world."""
    with serving() as running:
        yield running


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
def operator(stranger: Cli) -> Cli:
    """An operator's machine."""
    stranger.as_operator()
    return stranger
