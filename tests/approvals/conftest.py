"""The desk at which approvals are asked for and decided."""

import pytest

from sublet.core.db import Database
from tests.approvals.desk import Desk


@pytest.fixture
def desk(database: Database, owner_url: str) -> Desk:
    """A desk with nobody at it yet."""
    return Desk(database, owner_url)
