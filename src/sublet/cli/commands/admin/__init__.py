"""`admin`: what operators do."""

import click

from sublet.cli.lazy import LazyGroup

_HERE = "sublet.cli.commands.admin"


@click.group(
    cls=LazyGroup,
    lazy={
        "node": (f"{_HERE}.nodes:node", "Add servers to the fleet and take them out of use."),
        "sku": (f"{_HERE}.skus:sku", "Define what is sold."),
        "price": (f"{_HERE}.prices:price", "Set what it costs."),
        "allocations": (f"{_HERE}.allocations:allocations", "List everybody's allocations."),
        "refund": (f"{_HERE}.refunds:refund", "Send money back to the card it came from."),
        "adjust": (f"{_HERE}.refunds:adjust", "Give credit or take money, within the books."),
        "grant": (f"{_HERE}.credits:grant", "Give promotional credit."),
        "promo-code": (f"{_HERE}.credits:promo_code", "Make and end codes that give credit."),
        "payout": (f"{_HERE}.payouts:payout", "See what goes to the bank, and whether it is what left."),
        "dispute": (f"{_HERE}.disputes:dispute", "See what card holders ask their banks to have back."),
        "finding": (f"{_HERE}.findings:finding", "See what does not fit, and settle it."),
        "work": (f"{_HERE}.work:work", "See to work that does not come to its end."),
        "event": (f"{_HERE}.events:event", "Have events handled again that came to nothing."),
        "approval": (f"{_HERE}.approvals:approval", "See what needs a second person, and refuse it."),
        "month": (f"{_HERE}.month:month", "See the months of the books, and close them."),
        "report": (f"{_HERE}.report:report", "Ask the books: balances, revenue, statements."),
        "reconcile": (f"{_HERE}.reconcile:reconcile", "Check that books and machines agree."),
    },
)
def admin() -> None:
    """Operate the platform; needs a token of somebody with a platform role."""
