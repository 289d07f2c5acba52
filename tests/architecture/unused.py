"""What nothing of the product uses goes, or its docstring says in one sentence for what it waits.

    async def revoke(…):
        \"\"\"Revoke one certificate. Waits for emergency revocation.\"\"\"

Tests are no use: what only they call is not part of the product yet.
"""

import ast
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from tests.architecture.source import ROOT, Source, Violation, dotted

WAITS = re.compile(r"\bWaits for\s+\w")
PLAIN_DECORATORS = frozenset({"cache", "lru_cache", "dataclass", "contextmanager", "asynccontextmanager", "property"})
PLAIN_DECORATORS |= {
    "cached_property",
    "classmethod",
    "staticmethod",
    "overload",
    "runtime_checkable",
    "abstractmethod",
}
OUR_BASES = frozenset({"BaseModel", "Protocol", "ABC", "Exception", "RuntimeError", "StrEnum", "Enum", "NamedTuple"})
OUR_BASES |= {"TypedDict", "Generic"}

OFFERED = ("client", "migrations")
"""What is for programs that others write, and what Alembic runs."""

FOR_TESTS = {
    "EmbeddedPostgres.create_login": "servers of tests and measurements that nothing else prepares",
}
"""What tests and measurements need of the product, each with what for."""


class Defined(NamedTuple):
    """A public name: of a module (`sublet.billing.cost.cost_of`) or of a class (`NodePool.close`)."""

    name: str
    path: str
    line: int
    documentation: str


def unused(
    code: Collection[Source], *, users: Collection[Source] = (), excused: Collection[str] = FOR_TESTS.keys()
) -> list[Violation]:
    """Names that nothing uses and that do not say what they wait for; and those that wait and are used by now.

    `users` are files that use names of the code, and whose own names are not asked for.
    """
    using = [*code, *users]
    used, attributes = _used(using), _attributes(using)
    ours = OUR_BASES | {node.name for source in using for node in source.nodes if isinstance(node, ast.ClassDef)}
    found = []
    for source in code:
        if source.parts[0] in OFFERED:
            continue
        names = [(defined, defined.name in used) for defined in _of_module(source)]
        names += [(defined, defined.name.partition(".")[2] in attributes) for defined in _of_classes(source, ours)]
        for defined, is_used in names:
            waits = WAITS.search(defined.documentation)
            if is_used and waits:
                what = f"{defined.name} is used: take out of its docstring what it waits for"
                found.append(Violation(defined.path, defined.line, what))
            elif not is_used and not waits and defined.name not in excused:
                what = f"nothing uses {defined.name}; delete it, or let its docstring say: Waits for …"
                found.append(Violation(defined.path, defined.line, what))
    return found


def module_of(source: Source) -> str:
    """What a file is imported as."""
    name = re.sub(r"^(src|node|sandbox)/", "", source.path).removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")


def _of_module(source: Source) -> Iterator[Defined]:
    within = {node.id for node in source.nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    within |= {text.rpartition(":")[2] for _, text in source.strings}  # by name, or as `module:name`
    following = [*source.tree.body[1:], None]
    for node, next_one in zip(source.tree.body, following, strict=True):
        names: list[str] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not _registers_itself(node):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        for name in names:
            if not name.startswith("_") and name not in within:
                said = _documentation(node) or _said_below(next_one)
                yield Defined(f"{module_of(source)}.{name}", source.path, node.lineno, said)


def _of_classes(source: Source, ours: set[str]) -> Iterator[Defined]:
    """Public methods, but for those of classes that a library calls."""
    for node in source.nodes:
        if not isinstance(node, ast.ClassDef) or any(_last(base) not in ours for base in node.bases):
            continue
        for method in node.body:
            if (
                isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
                and not method.name.startswith("_")
                and not _registers_itself(method)
            ):
                yield Defined(f"{node.name}.{method.name}", source.path, method.lineno, _documentation(method))


def _registers_itself(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether a decorator gives it to something: a route, a command, a validator."""
    return any(_last(decorator) not in PLAIN_DECORATORS for decorator in node.decorator_list)


def _documentation(node: ast.AST) -> str:
    documented = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    return (ast.get_docstring(node) or "") if documented else ""


def _said_below(node: ast.stmt | None) -> str:
    """The text that stands by itself below a constant, and documents it."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return ""


def _last(node: ast.AST) -> str:
    node = node.func if isinstance(node, ast.Call) else node.value if isinstance(node, ast.Subscript) else node
    return dotted(node).rpartition(".")[2]


def _used(code: list[Source]) -> set[str]:
    """Every name that a file imports or reaches through a module, or that a process starts by."""
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    used = {".".join(pair) for pair in re.findall(r'"(sublet[\w.]+):(\w+)"', settings)}
    pages = (ROOT / "docs" / "__main__.py").read_text(encoding="utf-8")  # writes some of them
    used |= {".".join(pair) for pair in re.findall(r"\bfrom (sublet[\w.]+) import (\w+)", pages)}
    for source in code:
        for _, text in source.strings:
            used.update(".".join(pair) for pair in re.findall(r"\bfrom (sublet[\w.]+) import (\w+)", text))
        modules: dict[str, str] = {}
        for imported in source.imports:
            used.add(imported.dotted)
            first = imported.local.partition(".")[0]
            modules[first] = first if "." in imported.local else imported.dotted
        for node in source.nodes:
            first, _, rest = dotted(node).partition(".") if isinstance(node, ast.Attribute) else ("", "", "")
            if first in modules:
                used.add(f"{modules[first]}.{rest}")
    return used


def _attributes(code: list[Source]) -> set[str]:
    """Every name that stands after a dot somewhere, or as a text by itself."""
    return {node.attr for source in code for node in source.nodes if isinstance(node, ast.Attribute)} | {
        text for source in code for _, text in source.strings if text.isidentifier()
    }
