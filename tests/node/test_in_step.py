"""What node and control plane each have a number or a name for is the same one."""

import re
from pathlib import Path

from node.sublet_node import request, rpc
from node.sublet_node import startup as startup_of_node

from sublet.allocations import actions, environment, startup

ROOT = Path(__file__).parents[2]


def in_row(page: str, start: str) -> set[str]:
    """The words in code that stand in the row of a page's table that begins so, behind its first column."""
    [row] = [line for line in (ROOT / page).read_text().splitlines() if line.startswith(start)]
    return set(re.findall(r"`([a-z_]+)`", row.split("|", 2)[2]))


def test_bounds_of_what_a_launch_brings_along() -> None:
    ours = {
        "a script": startup.SCRIPT_BYTES,
        "what a script writes": startup.OUTPUT_LENGTH,
        "variables": environment.MOST_VARIABLES,
        "a variable": environment.VALUE_BYTES,
        "all variables": environment.ALL_BYTES,
        "ports": actions.MOST_PORTS,
    }
    assert ours == {
        "a script": request.SCRIPT_BYTES,
        "what a script writes": startup_of_node.KEPT_BYTES,
        "variables": request.MOST_VARIABLES,
        "a variable": request.VARIABLE_BYTES,
        "all variables": request.VARIABLES_BYTES,
        "ports": request.MOST_PORTS,
    }


def test_verbs_of_the_glossary() -> None:
    assert in_row("docs/words.md", "| verb |") == set(rpc.VERBS)
