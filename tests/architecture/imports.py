"""What a file may import, where the import contracts of pyproject.toml cannot say it."""

import ast
import re
import sys

from tests.architecture.source import Source, Violation, dotted

OURS = ("sublet", "sublet_node", "sublet_sandbox", "tests", "bench", "docs")
MAYBE_PRIVATE = re.compile(r"\bimport\b.*\b_\w|\bimport\s*\([^)]*\b_\w|\w\._\w")
"""Files without such a text use no private name and need not be parsed."""
WEB = ("fastapi", "starlette")

EDGE = {
    "core/app.py": "holds what routes need, and gives it to them",
    "core/http.py": "gives routes their permissions, sessions and idempotency",
    "core/idempotency.py": "keeps the answers of creating requests",
    "core/pages.py": "reads limit and cursor from the query",
    "core/webapp.py": "the application: middleware, error documents, metrics",
    "core/websockets.py": "closes sockets in the one way that we close them",
    "identity/authentication.py": "finds out who asks, from the connection",
    "identity/cookies.py": "the cookie of a browser's session",
    "notifications/channel.py": "one WebSocket with events",
    "terminal/carrier.py": "carries bytes between a WebSocket and a shell",
    "terminal/gateway.py": "one WebSocket with a terminal",
    "terminal/visit.py": "who came to a terminal, from where",
}
"""Files that know HTTP besides every `api.py` and `entry`, each with what it does there."""

EDGE_FOLDERS = ("entry",)


PRIVATE_ALL_THE_SAME = {}
"""Files that use a private name all the same, each with the reason."""


def private_imports(source: Source) -> list[Violation]:
    """A name that begins with `_` is its module's own, whoever would like to have it: a neighbour or a test."""
    if source.path in PRIVATE_ALL_THE_SAME or not MAYBE_PRIVATE.search(source.text):
        return []
    return private_names(source)


def private_names(source: Source) -> list[Violation]:
    """What a file uses of others' private names, excused or not."""
    instead = "make it public with a docstring, or use what its module offers"
    found = [
        Violation(source.path, imported.line, f"imports `{imported.dotted}`; {instead}")
        for imported in source.imports
        if imported.dotted.partition(".")[0] in OURS and any(_private(part) for part in imported.dotted.split("."))
    ]
    modules = {imported.local for imported in source.imports if imported.dotted.partition(".")[0] in OURS}
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and _private(node.attr) and dotted(node.value) in modules:
            found.append(Violation(source.path, node.lineno, f"uses `{dotted(node)}`; {instead}"))
    return found


def web_outside_its_edge(source: Source) -> list[Violation]:
    """FastAPI and Starlette are known by `api.py`, by what core gives routes, and by what holds a connection."""
    name = "/".join(source.parts)
    if source.parts[-1] == "api.py" or source.parts[0] in EDGE_FOLDERS or name in EDGE:
        return []
    return [
        Violation(
            source.path,
            imported.line,
            f"imports {imported.module}; take what you need as plain arguments, and leave HTTP to the domain's api.py",
        )
        for imported in source.imports
        if imported.module.partition(".")[0] in WEB
    ]


def more_than_the_standard_library(source: Source) -> list[Violation]:
    """What runs on a node is one file that needs Python and nothing else."""
    return [
        Violation(
            source.path,
            imported.line,
            f"imports {imported.module}; a node has nothing but Python's standard library, so do without",
        )
        for imported in source.imports
        if imported.module.partition(".")[0] not in {*sys.stdlib_module_names, "sublet_node"}
    ]


def _private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))
