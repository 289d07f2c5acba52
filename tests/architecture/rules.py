"""Rules of the code that no linter knows, as functions from source text to what breaks them.

Each is proved in `test_rules.py` by a planted violation that it catches.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "sublet"

LONGEST_FILE = 400
LONGEST_CONSOLE_FILE = 250
NAMES_THAT_SAY_NOTHING = frozenset({"utils", "util", "helpers", "helper", "manager", "common", "service", "misc"})
PRESENTATION = re.compile(
    r"^(colou?r|bg|background|icon|css|style|class_?name|theme|badge|variant|emoji)(_.*)?$|_(colou?r|icon|css|style)$"
)
SETS_STATE_IN_SQL = re.compile(r"\bUPDATE\b.*\bSET\b[^;]*?(?<![.\w])state\s*=", re.IGNORECASE | re.DOTALL)
COMMITS_IN_SQL = re.compile(r"^\s*(COMMIT|ROLLBACK)\b", re.IGNORECASE)

Violation = tuple[str, int, str]


def python_files(directory: Path = SOURCE) -> Iterator[Path]:
    """Every Python file below a directory."""
    return (path for path in sorted(directory.rglob("*.py")) if "__pycache__" not in path.parts)


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every text, an f-string as one with `x` where values go."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "x" for part in node.values]
            yield node.lineno, "".join(str(part) for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def _docstrings(tree: ast.AST) -> set[int]:
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                lines.add(first.value.lineno)
    return lines


def _has_state_key(node: ast.AST | None) -> bool:
    """Whether an expression is a dict (literal or call) or a tuple of pairs that names a `state`."""
    if isinstance(node, ast.Dict):
        keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
        spread = [value for key, value in zip(node.keys, node.values, strict=True) if key is None]
        return "state" in keys or any(_has_state_key(value) for value in spread)
    if isinstance(node, ast.BinOp):
        return _has_state_key(node.left) or _has_state_key(node.right)
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "dict":
        return any(keyword.arg == "state" for keyword in node.keywords)
    if isinstance(node, ast.Tuple) and node.elts and isinstance(node.elts[0], ast.Constant):
        return node.elts[0].value == "state"
    return False


def _assigned(tree: ast.AST) -> dict[str, list[ast.AST]]:
    """What each name of a file is ever assigned."""
    values: dict[str, list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                values.setdefault(ast.unparse(target), []).append(node.value)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            values.setdefault(ast.unparse(node.target), []).append(node.value)
    return values


def _inserts(statement: ast.AST, assigned: dict[str, list[ast.AST]]) -> bool:
    """Whether a statement's beginning is an insert for certain: a new row may be given its first state."""
    while isinstance(statement, ast.Call | ast.Attribute):
        if isinstance(statement, ast.Call) and ast.unparse(statement.func).rpartition(".")[2] == "insert":
            return True
        statement = statement.func if isinstance(statement, ast.Call) else statement.value
    begun = assigned.get(ast.unparse(statement), [])
    others = [value for value in begun if ast.unparse(statement) not in {ast.unparse(part) for part in ast.walk(value)}]
    return bool(others) and all(_inserts(value, assigned) for value in others)


def _gives_a_state(call: ast.Call, assigned: dict[str, list[ast.AST]]) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg is None)]
    known = [value for node in given for value in (node, *assigned.get(ast.unparse(node), ()))]
    return any(keyword.arg == "state" for keyword in call.keywords) or any(_has_state_key(value) for value in known)


def states_assigned_outside_their_table(name: str, source: str) -> list[Violation]:
    """A `state` that exists may only be changed by a file called states.py: by no `.values(…)`, and by no SQL.

    However the value gets there (a keyword, a dict, a name that holds one) and whatever holds the statement, unless it
    surely is an insert.
    """
    if name.endswith("states.py") or "/migrations/" in name:
        return []
    tree = ast.parse(source)
    documentation = _docstrings(tree)
    found: list[Violation] = [
        (name, line, "SQL sets a state")
        for line, text in _strings(tree)
        if line not in documentation and SETS_STATE_IN_SQL.search(text)
    ]
    assigned = _assigned(tree)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"values", "ordered_values"}
            and _gives_a_state(node, assigned)
            and not _inserts(node.func.value, assigned)
        ):
            found.append((name, node.lineno, f".{node.func.attr}(…) sets a state"))
    return found


def commits_outside_the_database_module(name: str, source: str) -> list[Violation]:
    """Only core/db.py ends transactions; migrations run on a connection of their own."""
    if name.endswith("core/db.py") or "/migrations/" in name or "/demo/" in name:
        return []
    tree = ast.parse(source)
    documentation = _docstrings(tree)
    found: list[Violation] = [
        (name, line, "SQL ends a transaction")
        for line, text in _strings(tree)
        if line not in documentation and COMMITS_IN_SQL.match(text)
    ]
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"commit", "rollback"}
        ):
            found.append((name, node.lineno, f".{node.func.attr}()"))
    return found


def network_clients_without_the_guard(name: str, source: str) -> list[Violation]:
    """A server module that opens connections with a network library must call forbid_open_session before it does."""
    if any(part in name for part in ("/client/", "/cli/", "/demo/", "/entry/", "/migrations/")):
        return []
    tree = ast.parse(source)
    opens = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func)
        in {"asyncssh.connect", "stripe.StripeClient", "httpx.AsyncClient", "httpx.Client", "StripeClient"}
    ]
    if opens and "forbid_open_session(" not in source:
        return [(name, opens[0].lineno, "opens a connection without forbid_open_session")]
    return []


def payments_that_know_the_demo(name: str, source: str) -> list[Violation]:
    """Payments run the same code against the sandbox and the real processor: they cannot even ask which one it is."""
    if "/payments/" not in name:
        return []
    found: list[Violation] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            imported = []
        if any(f"{module}.".startswith("sublet.demo.") for module in imported):
            found.append((name, node.lineno, "imports sublet.demo"))
        if isinstance(node, ast.Attribute) and node.attr == "demo":
            found.append((name, node.lineno, "reads settings.demo"))
        if isinstance(node, ast.Constant) and node.value in {"demo", "SUBLET_DEMO"}:
            found.append((name, node.lineno, "reads settings.demo by its name"))
    return found


def names_that_say_nothing(paths: Iterable[Path]) -> list[Violation]:
    """Files are named for the question they answer."""
    return [(str(path), 0, "a name that says nothing") for path in paths if path.stem in NAMES_THAT_SAY_NOTHING]


def files_too_long(paths: Iterable[Path], longest: int) -> list[Violation]:
    """Split by noun before a file grows past what one can read at once."""
    lengths = ((path, len(path.read_text(encoding="utf-8").splitlines())) for path in paths)
    return [(str(path), length, "too long") for path, length in lengths if length > longest]


def presentation_fields(schemas: dict[str, dict[str, object]]) -> list[Violation]:
    """The API never carries presentation: no colour, icon or style in any schema of the OpenAPI document."""
    found: list[Violation] = []
    for name, schema in schemas.items():
        properties = schema.get("properties")
        if isinstance(properties, dict):
            found.extend((name, 0, field) for field in properties if PRESENTATION.search(field))
    return found


def routes_without_permission(document: dict[str, dict[str, dict[str, object]]]) -> list[Violation]:
    """Every operation says which permission it asks for, or that it is public."""
    return [
        (path, 0, method)
        for path, operations in document.items()
        for method, operation in operations.items()
        if method in {"get", "post", "put", "patch", "delete"} and "x-permission" not in operation
    ]
