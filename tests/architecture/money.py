"""Money is a whole number of micro-units, never a float, not for a moment."""

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import Source, Violation, dotted

BOOKS = ("core/money.py", "ledger/", "billing/", "catalog/")
"""Where every number is money or leads to it: no float at all."""

NAMES_MONEY = re.compile(
    r"(^|_)(amount|price|cost|balance|fee|money|micro|nano|minor|cent|charge|charged|paid|spent|spend|fund|refund|hold"
    r"|held|wallet|credit|debit|revenue|per_hour)s?(_|$)"
)
NAMES_TIME = re.compile(r"(^|_)(seconds?|secs?|minutes|hours|timeout|ratio|pause)$")
FLOATS_IN_SQL = re.compile(r"\b(double\s+precision|float[48]?|real)\b", re.IGNORECASE)
COLUMNS_OF_FLOATS = frozenset({"Float", "REAL", "Double", "DOUBLE", "DOUBLE_PRECISION", "FLOAT"})

ROUNDS = frozenset({"round", "math.floor", "math.ceil", "math.trunc"})
ROUNDING = "billing/charges.py"
"""Where fractions of a unit are rounded, and nowhere else where money is."""

INSTEAD = "count in whole micro-units (`Money`, `Rate`), and round in billing/charges.py"


def float_money(source: Source) -> list[Violation]:
    """No float where the books are, none in a name that says money, none in a column."""
    if source.path.endswith(".sql"):
        return _in_sql(source, [(1, source.text)])
    found = _in_sql(source, source.strings)
    books = "/".join(source.parts).startswith(BOOKS)
    for node in source.nodes:
        if why := (_any_float(node) if books else None) or _float_of_money(node):
            found.append(Violation(source.path, node.lineno, f"{why}; {INSTEAD}"))  # type: ignore[attr-defined]
    return found


def rounding_elsewhere(source: Source) -> list[Violation]:
    """Nothing is rounded where money is, but in one file; nor is money anywhere else on the server."""
    path = "/".join(source.parts)
    if path == ROUNDING or path.endswith(".sql"):
        return []
    everything = path.startswith((*BOOKS, "payments/"))
    return [
        Violation(source.path, node.lineno, f"`{dotted(node.func)}` rounds money; do it in {ROUNDING}")
        for node in source.nodes
        if isinstance(node, ast.Call)
        and dotted(node.func) in ROUNDS
        and (everything or any(_is_money(part) for argument in node.args for part in ast.walk(argument)))
    ]


def _in_sql(source: Source, texts: list[tuple[int, str]] | tuple[tuple[int, str], ...]) -> list[Violation]:
    """Floats in statements; a text that is no SQL has none of these words in capitals or after `::`."""
    return [
        Violation(source.path, line, f"`{match.group()}` in SQL is a float; make it bigint or numeric")
        for line, text in texts
        for match in FLOATS_IN_SQL.finditer(text)
        if source.path.endswith(".sql") or "migrations" in source.parts or "::" in text[: match.start()][-2:]
    ]


def _any_float(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, float):
        return f"{node.value} is a float"
    if isinstance(node, ast.Name) and node.id == "float":
        return "speaks of float"
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
        return "`/` makes a float"
    return None


def _float_of_money(node: ast.AST) -> str | None:
    """What makes a float of something whose name says that it is money."""
    if isinstance(node, ast.AnnAssign) and _says_float(node.annotation) and _is_money(node.target):
        return f"`{_name(node.target)}` is a float"
    if isinstance(node, ast.arg) and node.annotation and _says_float(node.annotation) and _means_money(node.arg):
        return f"`{node.arg}` is a float"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
        return f"{node.name} gives a float" if _says_float(node.returns) and _means_money(node.name) else None
    if isinstance(node, ast.Call):
        called = dotted(node.func).rpartition(".")[2]
        if called in COLUMNS_OF_FLOATS:
            return f"a column of {called}"
        inside = [part for argument in node.args for part in ast.walk(argument)]
        if called == "float" and any(_is_money(part) for part in inside):
            return "makes a float of money"
        if called in {"Money", "Rate"} and any(_any_float(part) for part in inside):
            return f"makes a {called} of a float"
    if isinstance(node, ast.BinOp | ast.AugAssign):
        sides = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.target, node.value]
        if any(_is_money(side) for side in sides) and (
            isinstance(node.op, ast.Div) or any(isinstance(side, ast.Constant) and _any_float(side) for side in sides)
        ):
            return "reckons with money as a float"
    return None


def _says_float(annotation: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "float" for node in _types(annotation))


def _types(annotation: ast.expr) -> Iterator[ast.AST]:
    """An annotation and what it consists of, also if it is written as a text."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    yield from ast.walk(annotation)


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_money(node: ast.AST) -> bool:
    return _means_money(_name(node))


def _means_money(name: str) -> bool:
    return bool(NAMES_MONEY.search(name.lower())) and not NAMES_TIME.search(name.lower())


READS_REQUESTS = "src/sublet/core/amounts.py"


def refused_by_hand(source: Source) -> list[Violation]:
    """An amount of a request is read by `read_money`, which says what is wrong with it."""
    if source.path == READS_REQUESTS:
        return []
    return [
        Violation(source.path, call.lineno, "parses an amount and refuses it by itself; call core.amounts.read_money")
        for node in source.nodes
        if isinstance(node, ast.Try) and node.handlers
        for part in node.body
        for call in ast.walk(part)
        if isinstance(call, ast.Call) and dotted(call.func) == "Money.parse"
    ]
