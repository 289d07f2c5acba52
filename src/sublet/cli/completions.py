"""What the shell completes: names of allocations, asked from the server and quickly given up."""

import click
from click.shell_completion import CompletionItem

from sublet.cli.connection import connect
from sublet.client.errors import SubletClientError


def complete_allocation(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the allocations that begin like this; none when the server does not say."""
    del ctx, parameter
    try:
        with connect() as client:
            return [
                CompletionItem(allocation["name"], help=f"{allocation['state']} {allocation['sku']['code']}")
                for allocation in client.allocations()
                if allocation["name"].startswith(incomplete)
            ]
    except (SubletClientError, click.ClickException):
        return []


allocation_argument = click.argument("allocation", metavar="ALLOCATION", shell_complete=complete_allocation)
