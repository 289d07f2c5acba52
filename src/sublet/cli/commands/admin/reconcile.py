"""`admin reconcile`: do books and machines tell the same story?"""

import click

from sublet.cli.connection import connect, note
from sublet.cli.failures import Failure
from sublet.cli.formats import named_amounts, words
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column, print_table
from sublet.client.shapes import Reconciliation
from sublet.client.shapes.repairs import CheckResult, Finding

CHECKS: list[Column[CheckResult]] = [
    Column("CHECK", lambda one: words(one["name"])),
    Column("RESULT", lambda one: "ok" if one["ok"] else "mismatch", style=lambda one: "ok" if one["ok"] else "bad"),
    Column("FINDINGS", lambda one: str(len(one["findings"])), right=True),
]


def _with_amounts(one: Finding) -> str:
    return f"{one['detail']} ({named_amounts(one['amounts'])})" if one["amounts"] else one["detail"]


FINDINGS: list[Column[Finding]] = [
    Column("SUBJECT", lambda one: one["subject"]),
    Column("FINDING", _with_amounts, flexible=True),
]


@click.command()
@output_options(quiet=False)
def reconcile(output: Output) -> None:
    """Check the books against themselves and the machines. It repairs nothing; a mismatch exits with 1."""
    with connect() as client:
        result = client.admin.reconcile()
    output.one(result, _show)
    wrong = [check["name"] for check in result["checks"] if not check["ok"]]
    if wrong:
        raise Failure(f"{len(wrong)} of {len(result['checks'])} checks found a mismatch. Nothing was changed.")
    note(f"All {len(result['checks'])} checks agree.")


def _show(result: Reconciliation) -> None:
    print_table(result["checks"], CHECKS)
    found = [finding for check in result["checks"] for finding in check["findings"]]
    if found:
        click.echo()
        print_table(found, FINDINGS)
