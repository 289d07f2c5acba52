"""A long history in a test's database: the rows of one life, many times over, without the checks of each."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

_COLUMNS = """
SELECT attname FROM pg_attribute
 WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
 ORDER BY attnum
"""


def multiply(owner: psycopg.Connection, table: str, times: int, changes: Mapping[str, str]) -> None:
    """Copy every row of a table so many times; `changes` are SQL expressions of `n` and of the row `r`, by column."""
    columns = [name for (name,) in owner.execute(_COLUMNS, [table])]
    missing = changes.keys() - set(columns)
    assert not missing, f"{table} has no {missing}"
    values = [sql.SQL(changes[name]) if name in changes else sql.Identifier("r", name) for name in columns]  # type: ignore[arg-type]  # ours
    owner.execute(
        sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} r, generate_series(1, {}) n").format(
            sql.SQL(table),  # type: ignore[arg-type]  # a name of ours, with its schema
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(values),
            sql.SQL(table),  # type: ignore[arg-type]  # a name of ours, with its schema
            sql.Literal(times),
        )
    )
