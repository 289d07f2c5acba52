"""Who may end a transaction, who may talk to a network, and what payments may not know."""

import ast
import re

from tests.architecture.source import Source, Violation, dotted

COMMITS_IN_SQL = re.compile(r"^\s*(COMMIT|ROLLBACK)\b", re.IGNORECASE)
CONNECTING = frozenset(
    {"asyncssh.connect", "stripe.StripeClient", "httpx.AsyncClient", "httpx.Client", "StripeClient"},
)
UNGUARDED = frozenset({"client", "cli", "entry", "migrations", "supervisor"})


def commits_outside_the_database_module(source: Source) -> list[Violation]:
    """Only core/db.py ends transactions; migrations run on a connection of their own."""
    if source.path.endswith("core/db.py") or "migrations" in source.parts:
        return []
    instead = "let the `transaction()` of core/db.py end it"
    found = [
        Violation(source.path, line, f"SQL ends a transaction; {instead}")
        for line, text in source.strings
        if COMMITS_IN_SQL.match(text)
    ]
    for node in source.nodes:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"commit", "rollback"}
        ):
            found.append(Violation(source.path, node.lineno, f".{node.func.attr}() ends a transaction; {instead}"))
    return found


def network_clients_without_the_guard(source: Source) -> list[Violation]:
    """A server module that opens connections with a network library must call forbid_open_session before it does."""
    if source.parts[0] in UNGUARDED:
        return []
    opens = [node for node in source.nodes if isinstance(node, ast.Call) and dotted(node.func) in CONNECTING]
    if opens and "forbid_open_session(" not in source.text:
        what = "opens a connection unguarded; call `forbid_open_session` first, so that no transaction waits for it"
        return [Violation(source.path, opens[0].lineno, what)]
    return []


def payments_that_know_the_demo(source: Source) -> list[Violation]:
    """Payments run the same code against the sandbox and the real processor: they cannot even ask which one it is."""
    if source.parts[0] != "payments":
        return []
    instead = "payments run the same code against the sandbox; make the difference a setting that both have"
    found = [
        Violation(source.path, imported.line, f"imports what only a demo has; {instead}")
        for imported in source.imports
        if f"{imported.dotted}.".startswith(("sublet_sandbox.", "sublet.supervisor."))
    ]
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "demo":
            found.append(Violation(source.path, node.lineno, f"reads settings.demo; {instead}"))
        if isinstance(node, ast.Constant) and node.value in {"demo", "SUBLET_DEMO"}:
            found.append(Violation(source.path, node.lineno, f"reads settings.demo by its name; {instead}"))
    return found


_OPEN = re.compile(r"\.(transaction|reading|begin_nested)\(\)$")


def failures_written_down_within(source: Source) -> list[Violation]:
    """Frames take a while to read and to write, and others may wait for what the session has locked."""
    return [
        Violation(source.path, call.lineno, "logs a failure while a session is open; call telemetry.log_failure")
        for node in source.nodes
        if _has_a_session(node)
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and _writes_frames(call)
    ]


def _has_a_session(node: ast.AST) -> bool:
    if isinstance(node, ast.AsyncWith):
        return any(_OPEN.search(ast.unparse(item.context_expr)) for item in node.items)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return any(argument.arg == "session" for argument in (*node.args.args, *node.args.kwonlyargs))
    return False


def _writes_frames(call: ast.Call) -> bool:
    by_name = isinstance(call.func, ast.Attribute) and call.func.attr == "exception"
    return by_name or any(keyword.arg == "exc_info" for keyword in call.keywords)
