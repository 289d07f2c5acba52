"""The kinds of meters are one list: in Python, in the tables that name one, and in the accounts of the books."""

import re

import psycopg
import pytest

from sublet.catalog.meter_kinds import UNITS, MeterKind
from sublet.core.db import Database
from sublet.ledger import wallets
from tests.ledger.books import key

pytestmark = pytest.mark.anyio

KINDS = {kind.value for kind in MeterKind}
CHECKS = r"""
SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname LIKE '%\_meter\_kind\_check'
"""
REVENUE = """
SELECT currency, kind::text FROM ledger.account WHERE kind::text LIKE 'revenue%'
"""


class TestKinds:
    def test_have_a_unit_each(self) -> None:
        assert UNITS.keys() == set(MeterKind)

    def test_are_those_that_usage_may_have(self, owner_url: str) -> None:
        with psycopg.connect(owner_url) as connection:
            allowed = {table: set(re.findall(r"'(\w+)'", check)) for table, check in connection.execute(CHECKS)}
        assert allowed == {"meter": KINDS, "usage_record": KINDS}

    async def test_have_an_account_each_in_every_currency_of_the_books(
        self, database: Database, owner_url: str
    ) -> None:
        async with database.transaction() as session:
            for currency in ("USD", "KWD"):
                await wallets.open_wallet(session, key("org"), currency=currency)
        with psycopg.connect(owner_url) as connection:
            found = connection.execute(REVENUE).fetchall()
        assert set(found) == {(currency, f"revenue_{kind}") for currency in ("USD", "KWD") for kind in KINDS}
