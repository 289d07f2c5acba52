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


def require_kept(given: str, *, kept: str, useless: str, instead: str, nothing: str) -> None:
    """InvalidInput for another currency than the one that wallets are kept in here: nobody could use what is in it.

    `useless` is what nobody could do, such as `pay a price`, and `instead` what to give in the other.
    """
    if given != kept:
        raise InvalidInput(
            f"Wallets are kept in {kept} here, so nobody could {useless} in {given}. {nothing} "
            f"Give {instead} in {kept}.",
            field="currency",
        )
