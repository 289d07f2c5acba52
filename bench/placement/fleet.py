"""A big fleet in a database, made in seconds: for measuring decisions about it."""

from pathlib import Path

import psycopg

NODES = 10_000
CLAIMS = 100_000
_SQL = Path(__file__).with_name("fleet.sql")


def build(owner_url: str, *, nodes: int = NODES, claims: int = CLAIMS) -> None:
    """Fill an empty, migrated database with ready nodes, GPUs and open-ended claims; the role owns the server."""
    script = _SQL.read_text(encoding="utf-8")
    with psycopg.connect(owner_url, autocommit=True) as connection:
        definition = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'claimed_once'"
        [claimed_once] = connection.execute(definition).fetchone() or [""]
        for name, value in (("nodes", nodes), ("claimed_once", claimed_once), ("claims", claims)):
            script = script.replace(f":{name}", str(value))
        for statement in script.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
