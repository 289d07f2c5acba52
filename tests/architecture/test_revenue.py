"""Revenue accounts are named in one place."""

import pytest

from tests.architecture.revenue import revenue_accounts_elsewhere
from tests.architecture.source import broken, planted, with_sql


class TestRevenueAccounts:
    def test_are_the_ledgers(self) -> None:
        assert broken(revenue_accounts_elsewhere, with_sql()) == []

    @pytest.mark.parametrize(
        "text",
        [
            'ACCOUNT = "revenue_compute"',
            'ACCOUNT = f"revenue_{kind}"',
            "QUERY = \"SELECT 1 FROM ledger.account a WHERE a.code = 'revenue_storage:USD'\"",
        ],
    )
    def test_named_elsewhere_are_caught(self, text: str) -> None:
        assert revenue_accounts_elsewhere(planted(text))
        assert revenue_accounts_elsewhere(planted(text, "ledger/planted.py")) == []

    def test_named_in_the_sql_of_others_are_caught(self) -> None:
        assert revenue_accounts_elsewhere(planted("SELECT 'revenue_' || kind", "billing/sql/views.sql"))
