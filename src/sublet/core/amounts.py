"""Amounts of money as requests give them: read in one place, so that each refusal names its field and says the same."""

from sublet.core.errors import InvalidInput
from sublet.core.money import Money


def read_money(
    given: str,
    currency: str,
    *,
    field: str,
    nothing: str = "Nothing was changed.",
    refusal: type[InvalidInput] = InvalidInput,
) -> Money:
    """An amount of a request's field; `refusal` says what is wrong with it, and that nothing came of it."""
    try:
        return Money.parse(given, currency)
    except ValueError as error:
        raise refusal(f"{error}. {nothing}", field=field) from None
