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
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def _docstrings(tree: ast.AST) -> set[int]:
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                lines.add(first.value.lineno)
    return lines


def states_assigned_outside_their_table(name: str, source: str) -> list[Violation]:
    """A `state` may only be written by a file called states.py, whether by `.values(state=…)` or by SQL."""
    if name.endswith("states.py") or "/migrations/" in name:
        return []
    tree = ast.parse(source)
    documentation = _docstrings(tree)
    found: list[Violation] = [
        (name, line, "SQL sets a state")
        for line, text in _strings(tree)
        if line not in documentation and SETS_STATE_IN_SQL.search(text)
    ]
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "values"):
            continue
        inner = ast.unparse(node.func.value)
        if "update(" in inner and any(keyword.arg == "state" for keyword in node.keywords):
            found.append((name, node.lineno, "update().values(state=…)"))
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
