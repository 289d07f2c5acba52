"""The states of a domain are one list: the enum in its states.py and the CHECK of its table in PostgreSQL."""

import importlib
import re
from enum import StrEnum
from typing import NamedTuple

import psycopg

from tests.architecture.source import CODE, Violation
from tests.architecture.tables import relations

CHECKS = """
SELECT c.conrelid::regclass::text, a.attname, pg_get_constraintdef(c.oid)
  FROM pg_constraint c
  JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
 WHERE c.contype = 'c'
"""
COLUMNS = """
SELECT c.oid::regclass::text
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relkind IN ('r', 'p') AND a.attname = 'state' AND NOT a.attisdropped
"""
ONE_OF = re.compile(r"CHECK \(\((\w+) = ANY \(ARRAY\[(.+)\]\)\)\)")
VALUE = re.compile(r"'(\w+)'::text")


class Checked(NamedTuple):
    """A column `state` and what its CHECK allows; nothing if it has none."""

    table: str
    domain: str
    values: frozenset[str]


def state_enums() -> dict[str, list[type[StrEnum]]]:
    """The enums of states that each domain's states.py defines."""
    found: dict[str, list[type[StrEnum]]] = {}
    for path in sorted(CODE.rglob("states.py")):
        domain = path.relative_to(CODE).parts[0]
        module = importlib.import_module(".".join(path.relative_to(CODE.parent).with_suffix("").parts))
        enums = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, StrEnum) and value.__module__ == module.__name__
        ]
        if enums:
            found.setdefault(domain, []).extend(enums)
    return found


def state_columns(connection: psycopg.Connection[tuple[str, ...]]) -> list[Checked]:
    """Every column `state` of a migrated database with what PostgreSQL lets into it."""
    allowed = {
        (table, match[1]): frozenset(VALUE.findall(match[2]))
        for table, _, definition in connection.execute(CHECKS)
        if (match := ONE_OF.fullmatch(definition))
    }
    return [
        Checked(table, relations()[table].owner, allowed.get((table, "state"), frozenset()))
        for (table,) in connection.execute(COLUMNS)
        if table in relations()
    ]


def states_that_differ(enums: dict[str, list[type[StrEnum]]], columns: list[Checked]) -> list[Violation]:
    """Enums without a column that allows exactly their values, and columns without an enum of exactly theirs."""
    lists = {domain: {frozenset(str(value) for value in enum) for enum in found} for domain, found in enums.items()}
    allowed: dict[str, set[frozenset[str]]] = {}
    for column in columns:
        allowed.setdefault(column.domain, set()).add(column.values)
    found = [
        Violation(
            f"src/sublet/{column.domain}/states.py",
            0,
            f"no enum has exactly the states that PostgreSQL allows in {column.table} ({_listed(column.values)}); add "
            "what is missing to the enum, or to the CHECK in a migration",
        )
        for column in columns
        if column.values not in lists.get(column.domain, set())
    ]
    found.extend(
        Violation(
            f"src/sublet/{domain}/states.py",
            0,
            f"no table of {domain} allows exactly the states of {enum.__name__} ({_listed(frozenset(enum))}); add what "
            "is missing to the CHECK in a migration",
        )
        for domain, all_of_it in enums.items()
        for enum in all_of_it
        if frozenset(str(value) for value in enum) not in allowed.get(domain, set())
    )
    return found


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)) or "no CHECK at all"
