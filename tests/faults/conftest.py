"""What tests of faults share."""

import pytest

from sublet.core.db import Database
from tests.allocations.rental import Rental


@pytest.fixture
async def rental(database: Database) -> Rental:
    """A rental business with one node that has one GPU, one offer and one customer."""
    return await Rental.open(database)
