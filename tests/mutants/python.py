"""Changes of Python: a guard that never says no, a condition that does not count, a step that is left out."""

import ast
import re
from collections.abc import Iterator

from tests.mutants import sql
from tests.mutants.mutant import Change

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_SIGNS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
}
_SQL = re.compile(r"\b(SELECT|UPDATE|INSERT INTO|DELETE FROM|CREATE TABLE|CREATE FUNCTION)\b")
_SEAM = re.compile(r'"[ \t]*(#[^\n]*)?\n\s*f?"')
"""Between two literals that are one text."""

_SAYS_ONLY = ("log.", "telemetry.")
"""Calls that tell somebody something and decide nothing."""


class _Source:
    """A text and where the places of its syntax tree are in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._raw = text.splitlines(keepends=True)

    def span(self, node: ast.AST) -> tuple[int, int]:
        """From which to which character a node goes."""
        return (
            self._at(node.lineno, node.col_offset),  # type: ignore[attr-defined]  # what is changed has a place
            self._at(node.end_lineno, node.end_col_offset),  # type: ignore[attr-defined]  # and an end
        )

    def _at(self, line: int, column: int) -> int:
        return self._lines[line - 1] + len(self._raw[line - 1].encode()[:column].decode())

    def becomes(self, node: ast.AST, new: str) -> Change:
        """The change of a node."""
        return Change(*self.span(node), new)


def changes(text: str) -> Iterator[Change]:
    """Every change of a module."""
    source = _Source(text)
    tree = ast.parse(text)
    left_out = {id(node) for node in _spoken(tree)}
    left_out |= {
        id(node.test) for node in ast.walk(tree) if isinstance(node, ast.If) and isinstance(node.test, ast.Compare)
    }
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.If):
            yield source.becomes(node.test, "False")
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            other = ast.Compare(node.left, [_COMPARISONS[type(node.ops[0])]()], node.comparators)
            yield source.becomes(node, f"({ast.unparse(other)})")
        elif isinstance(node, ast.BoolOp):
            yield from _without_one(source, node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield source.becomes(node, f"({ast.unparse(node.operand)})")
        elif isinstance(node, ast.Set):
            yield from _elements(source, node)
        elif isinstance(node, ast.BinOp) and type(node.op) in _SIGNS and not _is_text(node):
            other_way = ast.BinOp(node.left, _SIGNS[type(node.op)](), node.right)
            yield source.becomes(node, f"({ast.unparse(other_way)})")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max"):
            yield source.becomes(node.func, {"min": "max", "max": "min"}[node.func.id])
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Await | ast.Call):
            yield source.becomes(node, "pass")
        elif isinstance(node, ast.Lambda):
            yield source.becomes(node.body, "[]")
        elif isinstance(node, ast.Constant | ast.JoinedStr):
            yield from _in_sql(source, node)


def _spoken(tree: ast.AST) -> Iterator[ast.AST]:
    """What is said and not done: docstrings, log lines, and the type hints of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield from ast.walk(node)
        if isinstance(node, ast.Expr) and _says_only(node.value):
            yield from ast.walk(node)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for argument in (*node.exc.args, *node.exc.keywords):
                yield from ast.walk(argument)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for hint in (node.returns, *(one.annotation for one in ast.walk(node.args) if isinstance(one, ast.arg))):
                if hint is not None:
                    yield from ast.walk(hint)
        if isinstance(node, ast.AnnAssign):
            yield from ast.walk(node.annotation)
        if isinstance(node, ast.JoinedStr):
            yield from (part for part in ast.walk(node) if part is not node)


def _says_only(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith(_SAYS_ONLY)


def _is_text(node: ast.BinOp) -> bool:
    return any(isinstance(side, ast.JoinedStr | ast.List) or _constant_text(side) for side in (node.left, node.right))


def _constant_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _without_one(source: _Source, node: ast.BoolOp) -> Iterator[Change]:
    for left_out in node.values:
        rest = [value for value in node.values if value is not left_out]
        kept = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        yield source.becomes(node, f"({ast.unparse(kept)})")


def _elements(source: _Source, node: ast.Set) -> Iterator[Change]:
    for left_out in node.elts:
        rest = [ast.unparse(element) for element in node.elts if element is not left_out]
        yield source.becomes(node, "{" + ", ".join(rest) + "}" if rest else "set()")


def _in_sql(source: _Source, node: ast.Constant | ast.JoinedStr) -> Iterator[Change]:
    start, end = source.span(node)
    inside = source.text[start:end]
    if _SQL.search(inside):
        first = inside.index('"')  # after the prefix of the literal
        quote = 3 if inside[first:].startswith('"""') else 1
        body = _SEAM.sub(lambda found: " " * len(found.group()), inside[first + quote : len(inside) - quote])
        for change in sql.changes(body):
            yield Change(
                start + first + quote + change.start,
                start + first + quote + change.end,
                change.new,
            )
