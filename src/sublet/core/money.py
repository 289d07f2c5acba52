"""Money in micro-units (bigint) and rates in nano-units per hour; never a float."""

import re
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator, StringConstraints

from sublet.core import currencies

MAX_BIGINT = 2**63 - 1  # what PostgreSQL can keep
FEWEST_PLACES = 2
"""How many decimal places an amount is written with at least; where the minor unit has more, as many as that."""

_DECIMAL = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]+))?")


class CurrencyMismatch(ValueError):
    """Two amounts in different currencies were combined."""


def _parse_decimal(text: str, places: int) -> int:
    match = _DECIMAL.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a decimal amount such as 12.34")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if len(fraction) > places:
        raise ValueError(f"{text!r} has more than {places} decimal places")
    units = int(whole + fraction.ljust(places, "0"))
    if units > MAX_BIGINT:
        raise ValueError(f"{text!r} is larger than can be kept")
    return -units if sign else units


def _format_decimal(units: int, places: int, at_least: int) -> str:
    sign = "-" if units < 0 else ""
    whole, fraction = divmod(abs(units), 10**places)
    digits = f"{fraction:0{places}d}".rstrip("0").ljust(at_least, "0")
    return f"{sign}{whole}.{digits}"


def _fewest_places(currency: str) -> int:
    return max(FEWEST_PLACES, currencies.digits(currency))


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An exact amount: `micro` millionths of `currency` (ISO 4217)."""

    micro: int
    currency: str

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Nothing, in `currency`."""
        return cls(0, currency)

    @classmethod
    def parse(cls, text: str, currency: str) -> Self:
        """Read a decimal string with at most six places; ValueError says what is wrong with it."""
        return cls(_parse_decimal(text, currencies.MICRO_DIGITS), currency)

    def decimal_string(self) -> str:
        """`12.34` or `12.345678`: as many places as its minor unit has but at least two, and at most six."""
        return _format_decimal(self.micro, currencies.MICRO_DIGITS, _fewest_places(self.currency))

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be combined")
        return other.micro

    def __add__(self, other: "Money") -> "Money":
        return Money(self.micro + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.micro - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.micro, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.micro < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.micro <= self._same(other)

    def __gt__(self, other: "Money") -> bool:
        return self.micro > self._same(other)

    def __ge__(self, other: "Money") -> bool:
        return self.micro >= self._same(other)

    def __str__(self) -> str:
        return f"{self.decimal_string()} {self.currency}"

    def field(self) -> "MoneyField":
        """The amount as the API shows it."""
        return MoneyField(amount=self.decimal_string(), currency=self.currency)


def decimal_sql(micro: str, currency: str) -> str:
    """`Money.decimal_string` in SQL, for sets of rows."""
    exact = f"(({micro}) * 0.000001)"
    arms = "".join(
        f"WHEN '{code}' THEN {digits} " for code, digits in currencies.DIGITS.items() if digits > FEWEST_PLACES
    )
    places = f"CASE {currency} {arms}ELSE {FEWEST_PLACES} END"
    return f"round({exact}, greatest(scale(trim_scale({exact})), {places}))::text"


@dataclass(frozen=True, slots=True)
class Rate:
    """A price per hour: `nano_per_hour` billionths of `currency` for each hour."""

    nano_per_hour: int
    currency: str

    @classmethod
    def parse(cls, text: str, currency: str) -> Self:
        """Read a decimal amount per hour with at most nine places."""
        return cls(_parse_decimal(text, 9), currency)

    def __add__(self, other: "Rate") -> "Rate":
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be combined")
        return Rate(self.nano_per_hour + other.nano_per_hour, self.currency)

    def decimal_string(self) -> str:
        """`0.36` or `0.000360001`: as many places as its minor unit has but at least two, and at most nine."""
        return _format_decimal(self.nano_per_hour, 9, _fewest_places(self.currency))

    def field(self) -> "RateField":
        """The rate as the API shows it."""
        return RateField(amount=self.decimal_string(), currency=self.currency)


def _known(currency: str) -> str:
    currencies.digits(currency)
    return currency


CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_known)]
"""The code of a currency in use; the same as a string everywhere."""


@dataclass(frozen=True, slots=True)
class MoneyField:
    """`{"amount": "12.345678", "currency": "USD"}`; the amount is a decimal string."""

    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class RateField:
    """`{"amount": "0.36", "currency": "USD", "per": "hour"}`."""

    amount: str
    currency: str
    per: str = "hour"
