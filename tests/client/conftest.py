"""Fixtures of the client's tests."""

from collections.abc import Iterator

import pytest

from sublet.client import Client
from tests.client.fake_api import FakeApi, serving
from tests.client.fake_world import CUSTOMER_TOKEN, OPERATOR_TOKEN


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A server with a furnished world."""
    with serving() as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    """How long the client slept, without having slept."""
    return []


@pytest.fixture
def client(api: FakeApi, pauses: list[float]) -> Iterator[Client]:
    """A customer's client."""
    with Client(api.url, CUSTOMER_TOKEN, sleep=pauses.append) as connected:
        yield connected


@pytest.fixture
def operator(api: FakeApi, pauses: list[float]) -> Iterator[Client]:
    """An operator's client."""
    with Client(api.url, OPERATOR_TOKEN, sleep=pauses.append) as connected:
        yield connected
