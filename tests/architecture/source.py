"""A file of the code as the rules see it: parsed once, however many rules look at it."""

import ast
import gc
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CODE = ROOT / "src" / "sublet"
SANDBOX = ROOT / "sandbox" / "sublet_sandbox"


class Violation(NamedTuple):
    """Where a rule is broken, and a sentence that says how and what to do instead."""

    path: str
    line: int
    what: str


class Imported(NamedTuple):
    """One imported name: `import module` has no `name`, and `local` is what the file calls it."""

    line: int
    module: str
    name: str | None
    local: str

    @property
    def dotted(self) -> str:
        """The whole name of what is imported: `sublet.core.db.Session`."""
        return self.module if self.name is None else f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Source:
    """A Python or SQL file: its path below the repository and its text."""

    path: str
    text: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The path below the package: `("billing", "charges.py")` of `src/sublet/billing/charges.py`."""
        return Path(self.path.removeprefix("src/sublet/")).parts

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree."""
        gc.disable()  # nothing of it is garbage, and looking for some would take as long as the parsing
        try:
            return tuple(ast.walk(self.tree))
        finally:
            gc.enable()

    @cached_property
    def imports(self) -> tuple[Imported, ...]:
        """Every imported name, wherever in the file; relative imports with the whole name of their module."""
        return tuple(self._imports())

    @cached_property
    def strings(self) -> tuple[tuple[int, str], ...]:
        """Every text that is no docstring, with its line: joined by `+` as one, an f-string with `x` for its values."""
        return tuple(self._strings())

    def _imports(self) -> Iterator[Imported]:
        package = list(Path(re.sub(r"^(src|node|sandbox)/", "", self.path)).parts[:-1])
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Imported(node.lineno, alias.name, None, alias.asname or alias.name)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                module = ".".join([*above, *([node.module] if node.module else [])])
                for alias in node.names:
                    yield Imported(node.lineno, module, alias.name, alias.asname or alias.name)

    def _strings(self) -> Iterator[tuple[int, str]]:
        inside = _docstrings(self.nodes)
        for node in self.nodes:  # a walk meets what contains a text before the text itself
            if id(node) not in inside and (value := _joined(node, inside)) is not None:
                yield node.lineno, value  # type: ignore[attr-defined]  # only expressions have a text


def _docstrings(nodes: Iterable[ast.AST]) -> set[int]:
    found = set()
    for node in nodes:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                found.add(id(first.value))
    return found


def _joined(node: ast.AST, inside: set[int]) -> str | None:
    """The text of an expression that is one; what it consists of joins `inside`, so that no part counts again."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        inside.update(id(part) for part in ast.walk(node))
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _joined(node.left, inside), _joined(node.right, inside)
        if left is None and right is None:
            return None
        inside.update((id(node.left), id(node.right)))
        return (left or "x") + (right or "x")
    return None


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a chain of names; empty for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def files(directory: Path, *suffixes: str) -> Iterator[Path]:
    """Every file below a directory whose name ends so, `.py` if nothing is said."""
    for path in sorted(directory.rglob("*")):
        if path.suffix in (suffixes or (".py",)) and "__pycache__" not in path.parts:
            yield path


@cache
def sources(directory: Path = CODE) -> tuple[Source, ...]:
    """Every Python file below a directory, read and parsed once in a run."""
    return tuple(_read(path) for path in files(directory))


@cache
def with_sql() -> tuple[Source, ...]:
    """The code of the server, and the SQL that lies beside it."""
    return (*sources(), *(_read(path) for path in files(CODE, ".sql")))


def _read(path: Path) -> Source:
    return Source(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))


SourceRule = Callable[[Source], list[Violation]]


def broken(rule: SourceRule, among: Iterable[Source] | None = None) -> list[Violation]:
    """Where the code breaks a rule; the code of the server if nothing else is said."""
    return [violation for source in (sources() if among is None else among) for violation in rule(source)]


def planted(text: str, path: str = "billing/planted.py") -> Source:
    """A file that is not there, for showing that a rule catches it."""
    return Source(f"src/sublet/{path}", text)
