"""`ssh`: a shell on an allocation, through the machine's own OpenSSH."""

import os
import shlex
import shutil
import sys

import click

from sublet.cli.completions import allocation_argument
from sublet.cli.connection import connect
from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.ssh_credentials import access_to
from sublet.cli.ssh_options import command_line, config_block
from sublet.cli.states import action
from sublet.client.shapes import Allocation


@click.command()
@allocation_argument
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("-t", "--tty", is_flag=True, help="Ask for a terminal also for a command.")
@click.option("-N", "--no-shell", is_flag=True, help="Run nothing; only forward.")
@click.option("-L", "--local", multiple=True, metavar="PORT:HOST:PORT", help="Forward a local port; repeatable.")
@click.option("-R", "--remote", multiple=True, metavar="PORT:HOST:PORT", help="Forward a remote port; repeatable.")
@click.option("-o", "--option", "added", multiple=True, metavar="NAME=VALUE", help="An option for OpenSSH; repeatable.")
@click.option("--renew", is_flag=True, help="Get a new certificate although the last one is still good.")
@click.option("--print", "only_print", is_flag=True, help="Print the ssh command and do not run it.")
@click.option("--config", "only_config", is_flag=True, help="Print it as ssh_config, for scp, rsync and editors.")
def ssh(
    *,
    allocation: str,
    command: tuple[str, ...],
    tty: bool,
    no_shell: bool,
    local: tuple[str, ...],
    remote: tuple[str, ...],
    added: tuple[str, ...],
    renew: bool,
    only_print: bool,
    only_config: bool,
) -> None:
    """Open a shell on ALLOCATION, a name or id, or run COMMAND there and exit with its code.

    Sublet issues a certificate that lives for minutes, and OpenSSH accepts only a node that Sublet vouches for.
    Put -- before a COMMAND that has options: sublet ssh web -- ls -l
    """
    program = shutil.which("ssh")
    if program is None:
        raise Failure("OpenSSH is not on this machine. No connection was made. Install the OpenSSH client.")
    with connect() as client:
        found = client.allocation(allocation)
        _require_reachable(found)
        directory, access = access_to(client, found, renew=renew)
    if only_config:
        click.echo(config_block(found["name"], directory, access))
        return
    extra = [*(["-t"] if tty else []), *(["-N"] if no_shell else [])]
    for flag, values in (("-L", local), ("-R", remote), ("-o", added)):
        for value in values:
            extra += [flag, value]
    line = command_line(directory, access, extra=tuple(extra), command=command)
    if only_print:
        click.echo(shlex.join(line))
        return
    sys.stdout.flush()
    sys.stderr.flush()
    # From here on this process is ssh: its exit code, its signals and its terminal are the user's.
    os.execv(program, line)  # noqa: S606 - no shell is wanted, and the arguments are checked in ssh_access


def _require_reachable(allocation: Allocation) -> None:
    allowed, reason = action(allocation, "ssh")
    if allocation["state"] == "active" and allowed:
        return
    name = allocation["name"]
    why = reason or f"{name} is {allocation['state']}."
    hint = {
        "queued": f"Wait for it: sublet show {name} --wait",
        "provisioning": f"Wait for it: sublet show {name} --wait",
        "suspended": f"Start it again: sublet resume {name}",
    }.get(allocation["state"], f"Look at it: sublet show {name}")
    raise Failure(f"You cannot log in to {name} now. {why} {hint}", Exit.CONFLICT)
