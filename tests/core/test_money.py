"""Amounts and rates: read exactly, written exactly, never mixed."""

import pytest
from sqlalchemy import text

from sublet.core import currencies
from sublet.core.db import Database
from sublet.core.money import CurrencyMismatch, Money, Rate, decimal_sql


class TestReading:
    @pytest.mark.parametrize(
        ("text", "micro", "written"),
        [
            ("0", 0, "0.00"),
            ("20", 20_000_000, "20.00"),
            ("0.000001", 1, "0.000001"),
            ("-12.3456", -12_345_600, "-12.3456"),
            (" 5.10 ", 5_100_000, "5.10"),
            ("999999999999.999999", 999_999_999_999_999_999, "999999999999.999999"),
        ],
    )
    def test_is_exact_and_written_back(self, text: str, micro: int, written: str) -> None:
        assert Money.parse(text, "USD") == Money(micro, "USD")
        assert Money(micro, "USD").decimal_string() == written

    @pytest.mark.parametrize(
        "text", ["", ".", "5.", ".5", "1e3", "1,000", "+1", "--1", "0x1", "NaN", "٢", "1_000", "0.0000001", "1" * 13]
    )
    def test_refuses_what_is_no_amount(self, text: str) -> None:
        with pytest.raises(ValueError, match="decimal"):
            Money.parse(text, "USD")

    def test_a_rate_has_nine_places(self) -> None:
        assert Rate.parse("0.000360001", "USD") == Rate(360_001, "USD")
        assert Rate(360_000_000, "USD").decimal_string() == "0.36"

    def test_a_rate_is_never_larger_than_can_be_kept(self) -> None:
        assert Rate.parse("9223372036.854775807", "USD").nano_per_hour == 2**63 - 1
        with pytest.raises(ValueError, match="larger than can be kept"):
            Rate.parse("9223372036.854775808", "USD")


class TestCurrencies:
    def test_are_never_combined(self) -> None:
        with pytest.raises(CurrencyMismatch):
            Money(1, "USD") + Money(1, "EUR")
        with pytest.raises(CurrencyMismatch):
            assert Money(1, "USD") < Money(2, "EUR")
        with pytest.raises(CurrencyMismatch):
            Rate(1, "USD") + Rate(1, "EUR")
        assert Money(1, "USD") != Money(1, "EUR")


class TestInSql:
    @pytest.mark.anyio
    async def test_an_amount_is_written_alike_in_every_currency(self, database: Database) -> None:
        amounts = [0, 1, -1, 10, 999, 10_000, 123_000, -500_000, 1_000_000, 12_345_600, -1_234_500, 2**63 - 1, -(2**63)]
        cases = [(micro, currency) for micro in amounts for currency in currencies.DIGITS]
        statement = text(
            f"SELECT {decimal_sql('c.micro', 'c.currency')}"
            "  FROM unnest(CAST(:micro AS bigint[]), CAST(:currency AS text[]))"
            "       WITH ORDINALITY AS c(micro, currency, place) ORDER BY c.place"
        )
        micro, currency = map(list, zip(*cases, strict=True))
        async with database.reading() as session:
            written = (await session.execute(statement, {"micro": micro, "currency": currency})).scalars().all()
        assert written == [Money(*case).decimal_string() for case in cases]
