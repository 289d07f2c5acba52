"""What is made anew rather than migrated: functions, triggers, views and grants, from whole files that say all of it.

The schema's comment says of which files they are, so that a migration that finds them unchanged touches nothing: to
replace a trigger waits for whoever writes to its table.
"""

import hashlib
from pathlib import Path

from sqlalchemy import Connection, text

from sublet.migrations.script import execute_script

SOURCE = Path(__file__).resolve().parents[1]
SCHEMA = "ledger"
OWNER = "sublet_ledger"

_FOUND = text("SELECT obj_description(to_regnamespace(:schema), 'pg_namespace')")


def files() -> list[Path]:
    """The files, in the order in which they are run."""
    return sorted((SOURCE / SCHEMA / "sql").glob("*.sql"))


def install(connection: Connection) -> bool:
    """Make them anew in the connection's transaction if the files have changed; returns whether they had."""
    scripts = [path.read_bytes() for path in files()]
    mark = f"made of sql/ {hashlib.sha256(b''.join(scripts)).hexdigest()}"
    if connection.execute(_FOUND, {"schema": SCHEMA}).scalar_one() == mark:
        return False
    connection.execute(text(f"SET LOCAL ROLE {OWNER}"))
    for script in scripts:
        execute_script(script.decode(), on=connection)
    connection.execute(text(f"COMMENT ON SCHEMA {SCHEMA} IS '{mark}'"))
    connection.execute(text("RESET ROLE"))
    return True
