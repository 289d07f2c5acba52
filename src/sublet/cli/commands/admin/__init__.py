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
        "event": (f"{_HERE}.events:event", "Hand out events again that were set aside."),
        "reconcile": (f"{_HERE}.reconcile:reconcile", "Check that books and machines agree."),
    },
)
def admin() -> None:
    """Operate the platform; needs a token of somebody with a platform role."""
