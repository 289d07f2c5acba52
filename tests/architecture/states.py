"""A state that exists is changed by the `move()` of a file called states.py, and by nothing else."""

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import Source, Violation, dotted

INSTEAD = "call the `move()` of the domain's states.py, which guards the change, writes the history and tells of it"
UPDATE_SETS = re.compile(r"\bUPDATE\b(?:(?!\bSET\b)[^;])*\bSET\b", re.IGNORECASE)
SET_ENDS = re.compile(r"\b(?:WHERE|FROM|RETURNING)\b", re.IGNORECASE)
TARGET = re.compile(r'\s*(\([^)]*\)|"?\w+"?)\s*=')
UPDATES = frozenset({"values", "ordered_values"})


def states_assigned_outside_their_table(source: Source) -> list[Violation]:
    """A `state` that exists may only be changed by states.py: by no `.values(…)`, and by no SQL.

    However the value gets there (a keyword, a dict, pairs, a tuple of columns, a name that holds one) and whatever
    holds the statement, unless it surely is an insert.
    """
    if source.path.endswith("states.py") or "migrations" in source.parts:
        return []
    found = [
        Violation(source.path, line, f"SQL sets a state; {INSTEAD}")
        for line, text in source.strings
        if "state" in assigned_columns(text)
    ]
    assigned = _assigned(source)
    for node in source.nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in UPDATES and not _inserts(node.func.value, assigned):
            if _gives_a_state(node, assigned):
                found.append(Violation(source.path, node.lineno, f".{node.func.attr}(…) sets a state; {INSTEAD}"))
            elif node.func.attr == "values" and _gives_values_without_names(node, assigned):
                what = f".{node.func.attr}(…) sets columns without naming them; name each as a keyword"
                found.append(Violation(source.path, node.lineno, what))
        elif node.func.attr == "on_conflict_do_update" and any(
            keyword.arg == "set_" and _names_a_state(keyword.value, assigned) for keyword in node.keywords
        ):
            found.append(Violation(source.path, node.lineno, f"an insert that finds its row sets a state; {INSTEAD}"))
    return found


def assigned_columns(sql: str) -> set[str]:
    """The columns that the UPDATEs of a text set, be it one by one or as a tuple: `SET (state, reason) = (…)`."""
    columns: set[str] = set()
    for update in UPDATE_SETS.finditer(sql):
        for item in _items(sql[update.end() :]):
            if target := TARGET.match(item):
                columns.update(re.findall(r"\w+", target.group(1).lower()))
    return columns


def _items(clause: str) -> Iterator[str]:
    """What stands between the outer commas of a SET clause, up to where the clause ends."""
    depth, start, at = 0, 0, 0
    while at < len(clause):
        character = clause[at]
        if depth < 0 or (depth == 0 and (character == ";" or SET_ENDS.match(clause, at))):
            break
        if character == "," and depth == 0:
            yield clause[start:at]
            start = at + 1
        depth += {"(": 1, ")": -1}.get(character, 0)
        at += 1
    yield clause[start:at]


def _assigned(source: Source) -> dict[str, list[ast.expr]]:
    """What each name of a file is ever assigned."""
    values: dict[str, list[ast.expr]] = {}
    for node in source.nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                values.setdefault(dotted(target), []).append(node.value)
                if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
                    one = ast.Dict([target.slice], [node.value])
                    values.setdefault(dotted(target.value), []).append(one)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            values.setdefault(dotted(node.target), []).append(node.value)
    values.pop("", None)
    return values


def _is_state(node: ast.AST | None) -> bool:
    """Whether an expression names the column: `"state"`, `node.c.state` or `node.c["state"]`."""
    if isinstance(node, ast.Subscript):
        node = node.slice
    return (isinstance(node, ast.Constant) and node.value == "state") or (
        isinstance(node, ast.Attribute) and node.attr == "state"
    )


def _names_a_state(
    node: ast.AST | None, assigned: dict[str, list[ast.expr]], seen: frozenset[str] = frozenset()
) -> bool:
    """Whether an expression is a dict (literal, call or union), or pairs, that names a `state`."""
    if isinstance(node, ast.Dict):
        pairs = list(zip(node.keys, node.values, strict=True))
        return any(_is_state(key) if key else _names_a_state(value, assigned, seen) for key, value in pairs)
    if isinstance(node, ast.BinOp):
        return _names_a_state(node.left, assigned, seen) or _names_a_state(node.right, assigned, seen)
    if isinstance(node, ast.Call) and dotted(node.func) == "dict":
        given = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg is None)]
        return any(keyword.arg == "state" for keyword in node.keywords) or any(
            _names_a_state(value, assigned, seen) for value in given
        )
    if isinstance(node, ast.Tuple | ast.List):
        pair = bool(node.elts) and _is_state(node.elts[0])
        return pair or any(_names_a_state(element, assigned, seen) for element in node.elts)
    name = dotted(node) if node is not None else ""
    if not name or name in seen:
        return False
    return any(_names_a_state(value, assigned, seen | {name}) for value in assigned.get(name, ()))


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg is None)]


def _gives_a_state(call: ast.Call, assigned: dict[str, list[ast.expr]]) -> bool:
    named = any(keyword.arg == "state" for keyword in call.keywords)
    return named or any(_names_a_state(value, assigned) for value in _given(call))


def _gives_values_without_names(call: ast.Call, assigned: dict[str, list[ast.expr]]) -> bool:
    """Whether a tuple or list of bare values is given: it sets the table's columns in their order, the state too."""
    known = [value for node in _given(call) for value in (node, *assigned.get(dotted(node), ()))]
    return any(
        isinstance(value, ast.Tuple | ast.List)
        and not any(isinstance(element, ast.Tuple | ast.List | ast.Starred) for element in value.elts)
        and value.elts
        for value in known
    )


def _inserts(statement: ast.AST, assigned: dict[str, list[ast.expr]]) -> bool:
    """Whether a statement's beginning is an insert for certain: a new row may be given its first state."""
    while isinstance(statement, ast.Call | ast.Attribute):
        if isinstance(statement, ast.Call):
            if (dotted(statement.func) or getattr(statement.func, "attr", "")).rpartition(".")[2] == "insert":
                return True
            statement = statement.func
        else:
            statement = statement.value
    name = dotted(statement)
    others = [value for value in assigned.get(name, []) if name not in {dotted(part) for part in ast.walk(value)}]
    return bool(others) and all(_inserts(value, assigned) for value in others)
