"""`admin approval`: acts that need a second person, and refusing them. Consent takes a fresh sign-in in a browser."""

import json

import click

from sublet.cli.connection import connect, note
from sublet.cli.formats import local, since
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.states import action, state_text
from sublet.cli.tables import Column, print_facts
from sublet.client.shapes import Approval

_HERE = "sublet.cli.commands.admin.approvals"

STATES = ("requested", "approved", "rejected", "expired", "used")

COLUMNS: list[Column[Approval]] = [
    Column("APPROVAL", lambda one: one["id"]),
    Column("STATE", lambda one: state_text(one["state"])),
    Column("ACT", lambda one: one["act"], flexible=True),
    Column("SUBJECT", lambda one: one["subject"], flexible=True),
    Column("ASKED BY", lambda one: one["requested_by"]["name"], flexible=True),
    Column("ASKED", lambda one: since(one["requested_at"])),
    Column("UNTIL", lambda one: local(one["expires_at"])),
    Column("REASON", lambda one: one["reason"], flexible=True, optional=True),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List what needs a second person."),
        "show": (f"{_HERE}:show", "Show an approval: what, by whom, why, until when."),
        "reject": (f"{_HERE}:reject", "Refuse an approval for good."),
    },
)
def approval() -> None:
    """See what needs a second person, and refuse it.

    There is no command to approve. That takes somebody who has just signed in, and the command line has only an API
    token, which the API refuses. Sign in to the console and, within five minutes, approve it on the page Approvals of
    the operator console.
    """


@click.command()
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@output_options()
def ls(state: str | None, output: Output) -> None:
    """List the acts that a second person was asked to approve, newest first."""
    empty = "Nobody has asked for an approval." if state is None else f"No approval is {state}."
    with connect() as client:
        output.many(client.admin.approvals(state=state), COLUMNS, empty=empty)


@click.command()
@click.argument("approval")
@output_options()
def show(approval: str, output: Output) -> None:
    """Show APPROVAL: the act with all that makes it this one, who asked and why, and what came of it."""
    with connect() as client:
        output.one(client.admin.approval(approval), _show_approval)


@click.command()
@click.argument("approval")
@click.option("--reason", required=True, help="Why not; kept in the approval's history.")
@output_options()
def reject(approval: str, reason: str, output: Output) -> None:
    """Refuse APPROVAL for good; only somebody else than who asked can. The same can be asked for again."""
    with connect() as client:
        rejected = client.admin.reject_approval(approval, reason)
    note(
        f"{rejected['id']} is {rejected['state']}: {rejected['act']} of {rejected['subject']} may not be done. "
        f"{rejected['requested_by']['name']} can ask for it again."
    )
    output.noted(rejected)


def _show_approval(one: Approval) -> None:
    decider = one["decided_by"]
    print_facts(
        [
            ("Approval", one["id"]),
            ("State", state_text(one["state"])),
            ("Act", one["act"]),
            ("Subject", one["subject"]),
            ("With", ", ".join(f"{name} {_value(value)}" for name, value in one["parameters"].items())),
            ("Asked by", f"{one['requested_by']['name']}, {local(one['requested_at'])}"),
            ("Reason", one["reason"]),
            ("Until", local(one["expires_at"])),
            ("Decided by", f"{decider['name']}, {local(one['decided_at'])}" if decider else ""),
            ("Used", local(one["used_at"]) if one["used_at"] else ""),
        ]
    )
    if one["state"] == "requested":
        _note_what_can_be_done(one)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _note_what_can_be_done(one: Approval) -> None:
    allowed, reason = action(one, "reject")
    if not allowed:
        note(f"You cannot decide on it. {reason}")
        return
    note(f"Refuse it: sublet admin approval reject {one['id']} --reason TEXT")
    note("To approve it takes a browser that has just signed in: sublet admin approval --help")
