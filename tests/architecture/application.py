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


VERBS = frozenset({"get", "post", "put", "patch", "delete"})


def in_the_thread_pool(source: Source) -> list[Violation]:
    """A route, or what it depends on, is a coroutine: a plain function would be run in one of forty threads.

    Sessions are no thread's, the threads are few and shared by all who ask, and each change of thread costs CPU.
    """
    asked = {
        ast.unparse(node.args[0])
        for node in source.nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Depends" and node.args
    }
    what = "would run in the thread pool; make it `async def`"
    return [
        Violation(source.path, node.lineno, f"{node.name} {what}")
        for node in source.nodes
        if isinstance(node, ast.FunctionDef)
        and (node.name in asked or any(_is_route(decorator) for decorator in node.decorator_list))
    ]


def _is_route(decorator: ast.expr) -> bool:
    return (
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in VERBS
        and ast.unparse(decorator.func.value).endswith(("router", "app"))
    )
