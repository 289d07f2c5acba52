"""`admin grant`, `admin promo-code`: promotional credit that operators give."""

import click

from sublet.cli.commands.idempotency import repeat_option
from sublet.cli.connection import connect, note
from sublet.cli.formats import local, money
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column
from sublet.client.shapes import Approval
from sublet.client.shapes.credits import PromoCode

_HERE = "sublet.cli.commands.admin.credits"

CODES: list[Column[PromoCode]] = [
    Column("CODE", lambda one: one["code"]),
    Column("GIVES", lambda one: money(one["amount"]), right=True),
    Column("USED", lambda one: f"{one['uses']}/{one['most_uses']}", right=True),
    Column("UNTIL", lambda one: "over" if one["is_over"] else local(one["expires_at"])),
    Column("ID", lambda one: one["id"]),
    Column("FOR", lambda one: one["reason"], flexible=True, optional=True),
]


def _days(_context: click.Context, _parameter: click.Parameter, typed: str) -> int | None:
    if typed == "never":
        return None
    if not typed.isdecimal():
        raise click.BadParameter("Give a number of days, or `never`.")
    return int(typed)


_EXPIRES = click.option(
    "--expires-after", "valid_days", metavar="DAYS", required=True, callback=_days, help="Days from then; or `never`."
)


@click.command()
@click.argument("organization")
@click.argument("amount")
@click.option("--currency", required=True, help="ISO 4217 code of the wallet.")
@_EXPIRES
@click.option("--reason", required=True, help="The customer reads it.")
@repeat_option("a grant")
@output_options()
def grant(
    *,
    organization: str,
    amount: str,
    currency: str,
    valid_days: int | None,
    reason: str,
    idempotency_key: str | None,
    output: Output,
) -> None:
    """Give ORGANIZATION AMOUNT of promotional credit: spent before its money, never refunded, and no payment of debt.

    Beyond the month's budget a second person has to approve it; then run the same again.
    """
    with connect() as client:
        made = client.admin.credits.grant(
            organization,
            amount,
            reason,
            currency=currency.upper(),
            valid_days=valid_days,
            idempotency_key=idempotency_key,
        )
    if made["credit"] is not None:
        note(f"{money(made['credit']['amount'])}: {made['credit']['id']} is in the wallet.")
    _waits(made["approval"], done=made["credit"] is not None)
    output.noted(made)


@click.group(
    "promo-code",
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List promo codes."),
        "create": (f"{_HERE}:create", "Make a promo code."),
        "end": (f"{_HERE}:end", "Let nobody redeem a promo code any more."),
    },
)
def promo_code() -> None:
    """Make and end codes by which customers take promotional credit."""


@click.command()
@output_options()
def ls(output: Output) -> None:
    """List every code, newest first."""
    with connect() as client:
        output.many(client.admin.credits.codes(), CODES, empty="There are no promo codes.")


@click.command()
@click.argument("code")
@click.argument("amount")
@click.option("--currency", required=True, help="ISO 4217 code of the wallet.")
@click.option(
    "--uses", "most_uses", type=click.IntRange(min=1), required=True, help="Organizations that may redeem it."
)
@click.option("--days", type=click.IntRange(min=1), required=True, help="For how long it can be redeemed.")
@_EXPIRES
@click.option("--reason", required=True, help="Kept in the audit trail.")
@repeat_option("a code")
@output_options()
def create(
    *,
    code: str,
    amount: str,
    currency: str,
    most_uses: int,
    days: int,
    valid_days: int | None,
    reason: str,
    idempotency_key: str | None,
    output: Output,
) -> None:
    """Make CODE (8 to 40 letters, digits, hyphens), which gives AMOUNT of credit to each organization that redeems it.

    All that it could give counts against the month's budget; beyond that a second person has to approve it first.
    """
    with connect() as client:
        made = client.admin.credits.make_code(
            code,
            amount,
            reason,
            currency=currency.upper(),
            most_uses=most_uses,
            days=days,
            valid_days=valid_days,
            idempotency_key=idempotency_key,
        )
    if made["promo_code"] is not None:
        note(f"{made['promo_code']['code']} can be redeemed: {made['promo_code']['id']}.")
    _waits(made["approval"], done=made["promo_code"] is not None)
    output.noted(made)


@click.command()
@click.argument("promo_code")
@output_options(quiet=False)
def end(promo_code: str, output: Output) -> None:
    """Let nobody redeem PROMO_CODE (its id) any more; what it gave stays."""
    with connect() as client:
        ended = client.admin.credits.end_code(promo_code)
    note(f"{ended['code']} has ended.")
    output.noted(ended)


def _waits(approval: Approval | None, *, done: bool) -> None:
    if approval is not None and not done:
        note(f"{approval['id']} waits for a second person. Nothing was given. Once it is approved, run the same again.")
