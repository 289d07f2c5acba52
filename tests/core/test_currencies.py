"""How many decimals a currency has: by ISO 4217, and where the card processor counts otherwise."""

import pytest

from sublet.core.currencies import DIGITS, CurrencyUnknown, digits, micro_per_charge, micro_per_unit
from sublet.core.money import Money, Rate


class TestDigits:
    @pytest.mark.parametrize(
        ("currency", "expected"),
        [("USD", 2), ("EUR", 2), ("HUF", 2), ("JPY", 0), ("KRW", 0), ("ISK", 0), ("UGX", 0), ("KWD", 3), ("IQD", 3)],
    )
    def test_are_those_of_iso_4217(self, currency: str, expected: int) -> None:
        assert digits(currency) == expected

    def test_are_known_of_every_currency_in_use_and_of_nothing_else(self) -> None:
        assert len(DIGITS) > 150
        assert set(DIGITS.values()) == {0, 2, 3}
        for unknown in ("XXX", "usd", "", "DEM"):
            with pytest.raises(CurrencyUnknown, match="not the code of a currency"):
                digits(unknown)


class TestProcessor:
    @pytest.mark.parametrize(
        ("currency", "thousand_units", "step"),
        [
            ("USD", "10.00", "0.01"),
            ("JPY", "1000.00", "1.00"),
            ("KWD", "1.000", "0.010"),
            ("ISK", "10.00", "1.00"),
            ("UGX", "10.00", "1.00"),
            ("MGA", "1000.00", "1.00"),
            ("HUF", "10.00", "0.01"),
        ],
    )
    def test_counts_in_units_and_charges_in_steps(self, currency: str, thousand_units: str, step: str) -> None:
        assert Money(1000 * micro_per_unit(currency), currency).decimal_string() == thousand_units
        assert Money(micro_per_charge(currency), currency).decimal_string() == step


class TestNothing:
    def test_has_a_currency_by_itself(self) -> None:
        for make in (Money, Rate, Money.parse, Rate.parse):
            with pytest.raises(TypeError, match="currency"):
                make(1)  # type: ignore[call-arg, arg-type]
        with pytest.raises(TypeError, match="currency"):
            Money.zero()  # type: ignore[call-arg]
