"""A sandbox that the tests of one module share; each test uses objects of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe

from tests.sandbox.stripe.process import StripeSandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeSandbox]:
    """A running sandbox whose webhooks nobody receives."""
    running = StripeSandbox(Path(tmp_path_factory.mktemp("stripe"))).start()
    yield running
    running.stop()


@pytest.fixture
def client(sandbox: StripeSandbox) -> stripe.StripeClient:
    """The real SDK, pointed at the sandbox."""
    return sandbox.client()
