"""A database with kettles in it."""

import psycopg
import pytest
from tests.core.work import kettles
from tests.core.work.kitchen import Kitchen

from sublet.core.db import Database


@pytest.fixture
def kettle_table(owner_url: str) -> None:
    with psycopg.connect(owner_url) as owner:
        owner.execute(kettles.TABLE)


@pytest.fixture
def kitchen(kettle_table: None, database: Database) -> Kitchen:
    return Kitchen(database)
