"""Whatever can be found says what mends it."""

import ast
import re
from pathlib import Path

import click

from sublet.admin.repairs import REPAIRS
from sublet.cli.main import cli

SOURCE = Path(__file__).resolve().parents[2] / "src" / "sublet"
CODE = re.compile(r"[a-z]+(\.[a-z_]+)+")


def codes() -> set[str]:
    """Every code of a finding: the second word of a `Check`, and what a constant named `…CODE` is."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            told: list[ast.expr] = []
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Check":
                told = node.args[1:2]
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "").endswith("CODE"):
                told = [node.value]
            found |= {str(one.value) for one in told if isinstance(one, ast.Constant)}
    return {one for one in found if CODE.fullmatch(one)}


def test_every_code_has_a_repair_and_no_repair_is_of_nothing() -> None:
    assert codes() == set(REPAIRS)


def test_every_command_is_one() -> None:
    for repair in REPAIRS.values():
        command: click.Command = cli
        for word in (repair.command or "sublet").split()[1:]:
            assert isinstance(command, click.Group), repair.command
            found = command.get_command(click.Context(command), word)
            assert found is not None, repair.command
            command = found
