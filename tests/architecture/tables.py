"""Whose table is it? A domain's SQL reads and writes its own tables, and what others publish to it in a view.

A table belongs to the domain that its migration is named for (`0007_fleet.py`), or in whose `sql/` it is made. A view
is published by a comment in the same place, which says what it promises to others:

    COMMENT ON VIEW gpu_stock IS 'Published: the GPUs of each node.';
"""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from tests.architecture.source import ROOT, Source, Violation, dotted, with_sql

MADE = re.compile(
    r"\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:UNLOGGED\s+)?(TABLE|(?:MATERIALIZED\s+)?VIEW|FUNCTION|PROCEDURE)\s+"
    r'(?:IF\s+NOT\s+EXISTS\s+)?"?((?:\w+\.)?\w+)',
    re.IGNORECASE,
)
PUBLISHED = re.compile(
    r"\bCOMMENT\s+ON\s+(?:MATERIALIZED\s+)?VIEW\s+((?:\w+\.)?\w+)\s+IS\s+'Published: ", re.IGNORECASE
)
NAME = r'(?:ONLY\s+)?"?(?P<{0}>(?:\w+"?\."?)?\w+)"?'
READ = re.compile(
    r"(?<!DISTINCT )\b(?:FROM|JOIN|USING|UPDATE(?!\s+OF\b)|"
    r"(?:INSERT|MERGE)\s+INTO|TRUNCATE(?:\s+TABLE)?|(?:LOCK|ALTER)\s+TABLE|COPY)\s+" + NAME.format("first"),
    re.IGNORECASE,
)
ALSO = re.compile(
    r"(?:\s+(?:AS\s+)?(?!ON\b|WHERE\b|SET\b)\w+)?\s*,\s*(?:LATERAL\s+)?" + NAME.format("next"), re.IGNORECASE
)
SHADOWS = re.compile(
    r"(?:\bWITH(?:\s+RECURSIVE)?|,)\s+(\w+)(?:\s*\([\w\s,]*\))?\s+AS\s+(?:NOT\s+MATERIALIZED\s+|MATERIALIZED\s+)?\(",
    re.IGNORECASE,
)
CALL = re.compile(r"\b((?:\w+\.)?\w+)\s*\(")
ASIDE = re.compile(r"--[^\n]*|\b(?:EXTRACT|SUBSTRING|TRIM|OVERLAY)\s*\([^()]*?\bFROM\b", re.IGNORECASE)
"""Comments, and the only functions whose arguments have a FROM."""
SQL = re.compile(
    r"^\s*(?:WITH|SELECT|INSERT|UPDATE|DELETE|MERGE|TRUNCATE|LOCK|CREATE|ALTER|COPY|DO|CALL)\b", re.IGNORECASE
)
SHOUTED = re.compile(r"\b(?:SELECT|FROM|JOIN|INSERT INTO|UPDATE|DELETE|MERGE)\b")

LIBRARY = {"alembic_version": "migrations"}
"""What libraries make in our database, by how it begins, and who may speak to it."""

ELSEWHERE = {
    "entry/health.py": "asks which migration ran last",
    "supervisor/database_process.py": "asks which migration ran last",
}
"""Files that read the table of another all the same, each with the reason."""


@dataclass(frozen=True)
class Relation:
    """A table, view or function: whose it is, and whether others may read it."""

    owner: str
    kind: str
    published: bool = False


def domain_of(source: Source) -> str:
    """The domain that a file speaks for: a migration's is in its name."""
    if source.parts[0] == "migrations" and len(source.parts) > 2:
        return source.parts[-1].removesuffix(".py").partition("_")[2]
    return source.parts[0]


@cache
def relations() -> dict[str, Relation]:
    """Everything that the code's SQL makes, by its name, with its schema where it has one of its own."""
    return made_in(with_sql())


def made_in(among: Iterable[Source]) -> dict[str, Relation]:
    """What these files make."""
    made: dict[str, Relation] = {}
    for source in among:
        texts = _sql(source)
        published = {name.lower() for _, text in texts for name in PUBLISHED.findall(text)}
        for _, text in texts:
            for kind, name in MADE.findall(ASIDE.sub("", text)):
                made[name.lower()] = Relation(domain_of(source), kind.lower(), name.lower() in published)
    return made


@cache
def floors() -> dict[str, int]:
    """How high each domain stands, from the import contract; neighbours share a floor."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers: list[str] = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    return {domain.strip(): height for height, layer in enumerate(reversed(layers)) for domain in layer.split("|")}


def tables_of_others(source: Source, known: dict[str, Relation] | None = None) -> list[Violation]:
    """SQL that reads or writes a table of another domain, or a view that it does not publish downwards to us."""
    if "/".join(source.parts) in ELSEWHERE:
        return []
    known = relations() if known is None else known
    domain = domain_of(source)
    spoken_of = [(line, name) for line, text in _sql(source) for name in _names(text)]
    return [
        Violation(source.path, line, why)
        for line, name in [*spoken_of, *_declared(source)]
        if (why := _refusal(name, domain, known)) is not None
    ]


def tables_without_a_domain(among: Iterable[Source]) -> list[Violation]:
    """Migrations that make tables are named for the domain whose tables they are."""
    return [
        Violation(
            source.path, 1, f"makes tables for `{domain_of(source)}`, which is no domain; name it for their owner"
        )
        for source in among
        if domain_of(source) not in floors() and made_in([source])
    ]


def unneeded_exceptions(excused: Iterable[str] = ELSEWHERE) -> list[Violation]:
    """Entries of ELSEWHERE for files that are gone or keep the rule by now."""
    by_name = {"/".join(source.parts): source for source in with_sql()}
    return [
        Violation("tests/architecture/tables.py", 0, f"{name} keeps the rule now; take it off the list ELSEWHERE")
        for name in excused
        if name not in by_name or not _reads_others(by_name[name])
    ]


def _reads_others(source: Source) -> bool:
    names = [name for _, text in _sql(source) for name in _names(text)]
    return any(_refusal(name, domain_of(source), relations()) is not None for name in names)


def _sql(source: Source) -> tuple[tuple[int, str], ...]:
    if source.path.endswith(".sql"):
        return ((1, source.text),)
    return tuple(
        (line, text) for line, text in source.strings if SQL.match(ASIDE.sub("", text)) or SHOUTED.search(text)
    )


def _names(text: str) -> Iterator[str]:
    """The tables and functions that a piece of SQL speaks of, but for those that it makes for itself by WITH."""
    sql = ASIDE.sub("", text)
    shadowed = {name.lower() for name in SHADOWS.findall(sql)}
    found = []
    for match in READ.finditer(sql):
        found.append(match["first"])
        at = match.end()
        while (also := ALSO.match(sql, at)) is not None:
            found.append(also["next"])
            at = also.end()
    called = [name for name in CALL.findall(sql) if "." in name or _is_function(name)]
    yield from (name for name in (_plain(name) for name in [*found, *called]) if name not in shadowed)


def _is_function(name: str) -> bool:
    relation = relations().get(name.lower())
    return relation is not None and relation.kind in {"function", "procedure"}


def _plain(name: str) -> str:
    return name.replace('"', "").lower().removeprefix("public.")


def _relation(name: str, known: dict[str, Relation]) -> Relation | None:
    """What has the name: something that a migration makes, that a library makes, or that its schema must have."""
    if name in known:
        return known[name]
    owners = [owner for prefix, owner in LIBRARY.items() if name.startswith(prefix)]
    schema, dot, _ = name.partition(".")
    owners += [relation.owner for other, relation in known.items() if dot and other.startswith(f"{schema}.")]
    return Relation(owners[0], "table") if owners else None


def _refusal(name: str, domain: str, known: dict[str, Relation]) -> str | None:
    """Why a domain may not speak of a name, and what to do instead; None if it may, or the name is nothing of ours."""
    relation = _relation(name, known)
    if relation is None or relation.owner == domain:
        return None
    if relation.kind in {"function", "procedure"} and relation.owner == "core":
        return None  # triggers of every domain use core's
    if not relation.published:
        return (
            f"reads or writes `{name}`, which is {relation.owner}'s; call a function of {relation.owner}, or have it "
            "publish a view (see tests/architecture/tables.py)"
        )
    if floors().get(domain, 0) <= floors()[relation.owner]:
        return f"reads `{name}` of {relation.owner}, which does not stand below {domain}; react to an event instead"
    return None


def _declared(source: Source) -> Iterator[tuple[int, str]]:
    """The names in `Table("node", …)` and `table("node", …)`, with their schemas."""
    if source.path.endswith(".sql"):
        return
    constants = {
        dotted(node.targets[0]): node.value.value
        for node in source.nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    for node in source.nodes:
        if isinstance(node, ast.Call) and node.args and dotted(node.func).rpartition(".")[2] in {"Table", "table"}:
            given = [node.args[0], *(keyword.value for keyword in node.keywords if keyword.arg == "schema")]
            name, *schema = [
                constants.get(dotted(value), "") if isinstance(value, ast.Name) else getattr(value, "value", "")
                for value in given
            ]
            yield node.lineno, ".".join(str(part) for part in (*schema, name))
