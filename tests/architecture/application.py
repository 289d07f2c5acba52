"""What routes need of the process comes to them as parameters, from the slots of core/app.py."""

import ast
import re

from tests.architecture.source import Source, Violation

APPLICATION = re.compile(r"(^|[._])app$|\bFastAPI\(")
"""What an expression that holds an application ends with, or the call that makes one."""


def application_state_outside_its_file(source: Source) -> list[Violation]:
    """Only core/app.py touches `app.state`."""
    if source.path.endswith("core/app.py"):
        return []
    called = {
        ast.unparse(target)
        for node in source.nodes
        if isinstance(node, ast.Assign) and APPLICATION.search(ast.unparse(node.value))
        for target in node.targets
    }
    what = "touches app.state; take what you need as a parameter, from a slot of core/app.py"
    found: list[Violation] = []
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "state":
            held: ast.AST = node.value
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in {"getattr", "setattr"}
            and any(isinstance(argument, ast.Constant) and argument.value == "state" for argument in node.args)
        ):
            held = node.args[0]
        else:
            continue
        if APPLICATION.search(ast.unparse(held)) or ast.unparse(held) in called:
            found.append(Violation(source.path, node.lineno, what))
    return found
