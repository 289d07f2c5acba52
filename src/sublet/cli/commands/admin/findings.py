"""`admin finding`: what does not fit, who sees to it, and closing it on an operator's word."""

from collections.abc import Iterable

import click

from sublet.cli.connection import connect, note
from sublet.cli.formats import local, money, named_amounts, since, words
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column, print_facts, print_table
from sublet.client.shapes import StoredFinding
from sublet.client.shapes.repairs import FindingDetail, Happened

_HERE = "sublet.cli.commands.admin.findings"

STATES = ("open", "closed")
SEVERITIES = ("warning", "error", "critical")


def _detail(one: StoredFinding) -> str:
    """What was noted with the finding, by name; the sentence of a check needs no name."""
    told = {name: value for name, value in one["detail"].items() if value is not None and name != "seen"}
    lines = [str(value) if name == "problem" else f"{words(name)} {value}" for name, value in told.items()]
    return ", ".join([*lines, *(f"{local(line['at'])} {line['what']}" for line in one["detail"].get("seen", []))])


COLUMNS: list[Column[StoredFinding]] = [
    Column("FINDING", lambda one: one["id"]),
    Column(
        "SEVERITY", lambda one: one["severity"], style=lambda one: "warn" if one["severity"] == "warning" else "bad"
    ),
    Column("CODE", lambda one: one["code"], flexible=True),
    Column("SUBJECT", lambda one: one["subject"]["id"], flexible=True),
    Column("AMOUNTS", lambda one: named_amounts(one["amounts"]), flexible=True),
    Column("OWNER", lambda one: one["owner"]["name"] if one["owner"] else ""),
    Column("SINCE", lambda one: since(one["since"])),
    Column("UNTIL", lambda one: since(one["until"])),
    Column("DETAIL", _detail, flexible=True, optional=True),
]


HISTORY: list[Column[Happened]] = [
    Column("AT", lambda one: local(one["at"])),
    Column("WHAT", lambda one: words(one["what"])),
    Column("BY", lambda one: one["by"] or "Sublet"),
    Column("NOTE", lambda one: one["note"] or "", flexible=True),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List findings."),
        "show": (f"{_HERE}:show", "Show what is wrong, what mends it, and all that became of it."),
        "assign": (f"{_HERE}:assign", "Say who sees to a finding."),
        "resolve": (f"{_HERE}:resolve", "Close a finding on your word."),
    },
)
def finding() -> None:
    """See what does not fit, and settle it; most findings close by themselves once what they name is mended."""


@click.command()
@click.option("--state", type=click.Choice(STATES), default="open", show_default=True, help="Only those in this state.")
@click.option("--code", help="Only with this code, such as payments.dispute.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Only those that are this bad.")
@click.option("--subject", metavar="ID", help="Only about the one thing with this id.")
@click.option("--owner", metavar="USER", help="Only those that this operator sees to: an id, `me`, or `nobody`.")
@output_options()
def ls(
    *, state: str, code: str | None, severity: str | None, subject: str | None, owner: str | None, output: Output
) -> None:
    """List what was found not to fit, newest first."""
    columns = [column for column in COLUMNS if state == "closed" or column.heading != "UNTIL"]
    with connect() as client:
        owner_id = client.me()["user"]["id"] if owner == "me" else owner
        wanted = {"code": code, "severity": severity, "subject_id": subject, "owner_id": owner_id}
        output.many(client.admin.findings(state=state, **wanted), columns, empty=_nothing(state, wanted.values()))


@click.command()
@click.argument("finding")
@output_options(quiet=False)
def show(finding: str, output: Output) -> None:
    """Show FINDING: what it is about, how much is at stake, what mends it, and all that became of it."""
    with connect() as client:
        output.one(client.admin.finding(finding), _show)


@click.command()
@click.argument("finding")
@click.option("--to", metavar="USER", help="The id of the operator who sees to it. Left out: you.")
@click.option("--nobody", is_flag=True, help="Give it back, so that it is nobody's.")
@output_options()
def assign(finding: str, *, to: str | None, nobody: bool, output: Output) -> None:
    """Give FINDING to an operator who may settle it: to you, unless another is named."""
    if nobody and to is not None:
        raise click.UsageError("--to and --nobody cannot both be given.")
    with connect() as client:
        owner = None if nobody else to or client.me()["user"]["id"]
        assigned = client.admin.assign_finding(finding, owner)
    whose = assigned["owner"]["name"] + " sees to it" if assigned["owner"] else "nobody sees to it"
    note(f"{assigned['code']} of {assigned['subject']['id']}: {whose}.")
    output.noted(assigned)


@click.command()
@click.argument("finding")
@click.option("--reason", required=True, help="How it was settled; kept in the audit trail.")
@output_options()
def resolve(finding: str, reason: str, output: Output) -> None:
    """Close FINDING: you vouch that it is settled. A check that still finds the same opens a new one.

    It moves no money: what was set aside for it stays so. What this finding stopped may go on.
    """
    with connect() as client:
        resolved = client.admin.resolve_finding(finding, reason)
    note(
        f"{resolved['code']} of {resolved['subject']['id']} is closed since {local(resolved['until'])}. "
        "Money that was set aside for it stays so, and what this finding stopped may go on."
    )
    output.noted(resolved)


def _show(one: FindingDetail) -> None:
    repair = one["repair"]
    settled = f"{one['resolution']} ({one['settled_by']})" if one["resolution"] else ""
    print_facts(
        [
            ("Finding", one["id"]),
            ("Severity", one["severity"]),
            ("Code", one["code"]),
            ("Subject", f"{words(one['subject']['type'])} {one['subject']['id']}"),
            ("Amounts", named_amounts(one["amounts"])),
            ("At stake", ", ".join(money(amount) for amount in one["at_stake"])),
            ("Detail", _detail(one)),
            ("Since", local(one["since"])),
            ("Last seen", local(one["seen_at"])),
            ("Until", local(one["until"]) if one["until"] else ""),
            ("Owner", one["owner"]["name"] if one["owner"] else ""),
            ("Repair", repair["does"] if repair else ""),
            ("Command", repair["command"] or "" if repair else ""),
            ("Settled", settled),
        ]
    )
    click.echo()
    print_table(one["history"], HISTORY)


def _nothing(state: str, wanted: Iterable[str | None]) -> str:
    such = " like that" if any(wanted) else ""
    return f"No finding{such} is {state}."
