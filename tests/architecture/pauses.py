"""Tests wait for a condition, and never for time to pass."""

import ast

from tests.architecture.source import Source, Violation, dotted

SLEEPS = frozenset({"sleep", "time.sleep", "asyncio.sleep", "anyio.sleep"})

THE_TIME_IS_WHAT_IS_TESTED = {
    "tests/allocations/simulated.py": "a simulated node takes its time",
    "tests/allocations/test_real_node.py": "a second is delivered, and sold",
    "tests/faults/test_ill_nodes.py": "faults come at drawn moments, and last for a drawn time",
    "tests/faults/test_money_and_machine.py": "faults come at drawn moments",
    "tests/journeys/test_idle.py": "what happens while nothing is done is counted",
    "tests/node/test_access.py": "a task that only ends by being cancelled",
    "tests/node/cooperating/keeps.py": "a program that only holds something, until it is ended",
    "tests/support/clock.py": "a file's time has whole seconds",
}


def pauses(source: Source) -> list[Violation]:
    """Every sleep that stands in no loop, where nothing can be looked at in between; `sleep(0)` only gives way."""
    if source.path in THE_TIME_IS_WHAT_IS_TESTED:
        return []
    return paused(source)


def paused(source: Source) -> list[Violation]:
    """The same, without exceptions."""
    found: list[Violation] = []
    _look(source.tree, source.path, found, in_loop=False)
    return found


def _look(parent: ast.AST, path: str, found: list[Violation], *, in_loop: bool) -> None:
    for node in ast.iter_child_nodes(parent):
        looks = in_loop or isinstance(node, ast.While | ast.For | ast.AsyncFor)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            looks = False
        if (
            isinstance(node, ast.Call)
            and dotted(node.func) in SLEEPS
            and not looks
            and ast.unparse(node.args[0]) != "0"
        ):
            found.append(
                Violation(path, node.lineno, "sleeps; wait for a condition with a deadline (tests/support/waiting.py)")
            )
        _look(node, path, found, in_loop=looks)
