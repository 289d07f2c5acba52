"""What tests of the catalog share."""

from collections.abc import AsyncIterator

import httpx
import pytest

from sublet.audit.api import router as audit_router
from sublet.catalog.api import router
from sublet.core.db import Database
from tests.audit.people import OPERATOR, browser_of


@pytest.fixture
async def browser(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """An operator's browser, which reads the audit trail too."""
    async with browser_of(OPERATOR, database, [router, audit_router]) as client:
        yield client
