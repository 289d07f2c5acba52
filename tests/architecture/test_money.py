"""No money is ever a float."""

import pytest

from tests.architecture.money import float_money, refused_by_hand, rounding_elsewhere
from tests.architecture.source import broken, planted, with_sql


class TestMoney:
    def test_is_never_a_float(self) -> None:
        assert broken(float_money, with_sql()) == []

    @pytest.mark.parametrize(
        "text",
        [
            "price: float = 0",
            "class Offer:\n    per_hour: 'float | None' = None",
            "def charge(amount: float) -> None: ...",
            "async def pay(*, fee_cents: list[float]) -> None: ...",
            "def balance_of(wallet_id: str) -> float: ...",
            "shown = float(charge.amount)",
            "shown = charge.amount / 1_000_000",
            "self.price_micro /= 100",
            "tax = amount * 0.19",
            "owed = Money(round(seconds / 3600), 'USD')",
            "owed = Money(0.1, 'USD')",
            "Column('amount', Float)\nprice = Column('price', Float())",
            "text('SELECT amount::double precision FROM usage_charge')",
        ],
    )
    def test_that_is_one_is_caught_anywhere(self, text: str) -> None:
        assert float_money(planted(text, "terminal/planted.py"))

    @pytest.mark.parametrize("text", ["half = 0.5", "def f(x: float) -> None: ...", "x = a / b", "x /= 2"])
    def test_has_no_float_near_it_in_the_books(self, text: str) -> None:
        for path in ("core/money.py", "ledger/planted.py", "billing/planted.py", "catalog/planted.py"):
            assert float_money(planted(text, path))
        assert float_money(planted(text, "fleet/planted.py")) == []

    @pytest.mark.parametrize("column", ["amount double precision", "amount real", "amount float8 NOT NULL"])
    def test_is_no_column_of_floats(self, column: str) -> None:
        table = f"CREATE TABLE a ({column})"
        assert float_money(planted(f'T = "{table}"', "migrations/versions/0099_billing.py"))
        assert float_money(planted(table, "ledger/sql/1_tables.sql"))

    @pytest.mark.parametrize("text", ["refund_seconds: float = 1.5", "x = amount // 2", "path = folder / 'prices'"])
    def test_is_not_time_and_not_a_path(self, text: str) -> None:
        assert float_money(planted(text, "fleet/planted.py")) == []


class TestAmountsOfRequests:
    def test_are_read_in_one_place(self) -> None:
        assert broken(refused_by_hand) == []

    def test_are_caught_where_they_are_refused_by_hand(self) -> None:
        by_hand = "try:\n    x = Money.parse(a, b)\nexcept ValueError as error:\n    raise InvalidInput(str(error))"
        assert refused_by_hand(planted(by_hand))
        assert refused_by_hand(planted("most = Money.parse(settings.most, currency)")) == []


class TestRounding:
    def test_is_in_one_file(self) -> None:
        assert broken(rounding_elsewhere) == []

    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ("round(3 * share)", "payments/planted.py"),
            ("math.ceil(seconds)", "ledger/planted.py"),
            ("shown = math.floor(self.price_micro * share)", "terminal/planted.py"),
        ],
    )
    def test_elsewhere_is_caught(self, text: str, path: str) -> None:
        assert rounding_elsewhere(planted(text, path))
        assert rounding_elsewhere(planted(text, "billing/charges.py")) == []

    def test_of_what_is_no_money_is_free(self) -> None:
        assert rounding_elsewhere(planted("wait = math.ceil(seconds)", "fleet/planted.py")) == []
