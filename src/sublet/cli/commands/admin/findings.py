"""`admin finding`: what does not fit, and closing it on an operator's word."""

from collections.abc import Iterable

import click

from sublet.cli.connection import connect, note
from sublet.cli.formats import local, named_amounts, since, words
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column
from sublet.client.shapes import StoredFinding

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
    Column("SINCE", lambda one: since(one["since"])),
    Column("UNTIL", lambda one: since(one["until"])),
    Column("DETAIL", _detail, flexible=True, optional=True),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List findings."),
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
@output_options()
def ls(*, state: str, code: str | None, severity: str | None, subject: str | None, output: Output) -> None:
    """List what was found not to fit, newest first."""
    columns = [column for column in COLUMNS if state == "closed" or column.heading != "UNTIL"]
    wanted = {"code": code, "severity": severity, "subject_id": subject}
    with connect() as client:
        output.many(client.admin.findings(state=state, **wanted), columns, empty=_nothing(state, wanted.values()))


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


def _nothing(state: str, wanted: Iterable[str | None]) -> str:
    such = " like that" if any(wanted) else ""
    return f"No finding{such} is {state}."
