"""Many allocations, copies of one that runs, on the nodes of a big fleet."""

from pathlib import Path

import psycopg

ALLOCATIONS = 100_000
_SQL = Path(__file__).with_name("many.sql")


def copy(owner_url: str, *, nodes: int, allocations: int = ALLOCATIONS) -> None:
    """Copy the one allocation that there is to so many, spread over nodes that were made by `bench.placement.fleet`."""
    script = _SQL.read_text(encoding="utf-8")
    for name, value in (("nodes", nodes), ("allocations", allocations)):
        script = script.replace(f":{name}", str(value))
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
