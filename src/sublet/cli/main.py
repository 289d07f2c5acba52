"""`sublet`: the table of commands, and the one place where errors become messages and exit codes."""

import importlib.metadata
from typing import Any

import click

from sublet.cli.exits import Exit
from sublet.cli.failures import Failure, failure_of
from sublet.cli.lazy import LazyGroup
from sublet.client.errors import SubletClientError

_HERE = "sublet.cli.commands"

COMMANDS = {
    "login": (f"{_HERE}.login:login", "Sign in with an API token."),
    "logout": (f"{_HERE}.login:logout", "Forget the token, keys and certificates on this machine."),
    "whoami": (f"{_HERE}.login:whoami", "Show who you are here."),
    "offers": (f"{_HERE}.offers:offers", "List what you can launch, and its price."),
    "launch": (f"{_HERE}.launch:launch", "Launch an allocation of an offer."),
    "ls": (f"{_HERE}.allocations:ls", "List your allocations."),
    "show": (f"{_HERE}.allocations:show", "Show an allocation: state, cost, limits, what happened, evidence."),
    "logs": (f"{_HERE}.given:logs", "Show what an allocation's startup script wrote."),
    "label": (f"{_HERE}.given:label", "Set or take away labels of an allocation."),
    "ssh": (f"{_HERE}.ssh:ssh", "Open a shell on an allocation, or run a command there."),
    "port": (f"{_HERE}.ports:port", "Publish ports of an allocation by ports of its node."),
    "suspend": (f"{_HERE}.lifecycle:suspend", "Stop an allocation and keep its files."),
    "resume": (f"{_HERE}.lifecycle:resume", "Start a suspended allocation again."),
    "restart-elsewhere": (f"{_HERE}.lifecycle:restart_elsewhere", "Launch anew what its node has lost."),
    "release": (f"{_HERE}.lifecycle:release", "Give an allocation back; its files are deleted."),
    "operations": (f"{_HERE}.history:operations", "List the work done on an allocation."),
    "charge": (f"{_HERE}.charge:charge", "Show why a charge is what it is."),
    "charges": (f"{_HERE}.history:charges", "List what an allocation cost, interval by interval."),
    "balance": (f"{_HERE}.wallet:balance", "Show the balance and how long it lasts."),
    "ledger": (f"{_HERE}.wallet:ledger", "List the entries of your wallet."),
    "usage": (f"{_HERE}.wallet:usage", "Show what a month cost, day by day, and what it comes to."),
    "top-up": (f"{_HERE}.wallet:top_up", "Begin a card payment into your wallet."),
    "refund-request": (f"{_HERE}.refund_request:refund_request", "Ask to have a payment back."),
    "credits": (f"{_HERE}.credits:list_credits", "List your promotional credits."),
    "redeem": (f"{_HERE}.credits:redeem", "Redeem a promo code."),
    "cards": (f"{_HERE}.cards:cards", "Save cards, and choose which one is charged."),
    "auto-topup": (f"{_HERE}.cards:auto_topup", "Charge the default card when your funds run low."),
    "notices": (f"{_HERE}.notices:notices", "Read what you were told."),
    "limit": (f"{_HERE}.spending_limits:limit", "Bound what is spent in a day, a month or on an allocation."),
    "events": (f"{_HERE}.events:events", "Follow what happens."),
    "completion": (f"{_HERE}.completion:completion", "Print the completion script of a shell."),
    "admin": (f"{_HERE}.admin:admin", "Operate the platform: nodes, SKUs, prices."),
    "up": (f"{_HERE}.server:up", "Run all of Sublet on this machine."),
    "serve": (f"{_HERE}.server:serve", "Run a web process."),
    "worker": (f"{_HERE}.server:worker", "Run a worker process."),
    "migrate": (f"{_HERE}.server:migrate", "Bring the database to this version."),
    "verify": (f"{_HERE}.server:verify", "Compare a database with signed heads of its seals, as an auditor does."),
    "operator": (f"{_HERE}.server:operator", "Make an account with platform roles."),
    "demo": (f"{_HERE}.server:demo", "What `sublet up` set up for a newcomer."),
}

ALIASES = {"topup": "top-up"}

EPILOG = (
    "SUBLET_URL and SUBLET_TOKEN_FILE win over what `sublet login` stored. "
    "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 sign-in or permission, 5 conflict, 6 funds, 7 no capacity, "
    "8 wait timed out, 130 interrupted."
)


class RootGroup(LazyGroup):
    """The root: errors of the client become Failures, Ctrl-C becomes 130."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SubletClientError as error:
            raise failure_of(error) from error
        except (KeyboardInterrupt, click.Abort) as error:
            click.echo(err=True)
            message = "Interrupted. Nothing was cancelled: work that was asked for goes on. See it: sublet ls"
            raise Failure(message, Exit.INTERRUPTED) from error


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"sublet {importlib.metadata.version('sublet')}")
        ctx.exit()


@click.group(
    cls=RootGroup,
    lazy=COMMANDS,
    aliases=ALIASES,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def cli() -> None:
    """Rent a Linux or GPU machine by the second, and see every cent explained."""


def main() -> None:
    """The `sublet` script."""
    cli(prog_name="sublet")
