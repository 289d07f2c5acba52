"""A sandbox that the tests of one module share; each test uses objects of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe

from tests.sandbox.stripe.process import StripeSandbox
from tests.support.clock import Clock, new_clock


@pytest.fixture(scope="module")
def sandbox_clock() -> Iterator[Clock]:
    """What time it is for the sandbox of a module."""
    with new_clock() as clock:
        yield clock


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory, sandbox_clock: Clock) -> Iterator[StripeSandbox]:
    """A running sandbox whose webhooks nobody receives."""
    running = StripeSandbox(Path(tmp_path_factory.mktemp("stripe")), clock=sandbox_clock).start()
    yield running
    running.stop()


@pytest.fixture
def client(sandbox: StripeSandbox) -> stripe.StripeClient:
    """The real SDK, pointed at the sandbox."""
    return sandbox.client()
