"""What a page and a command take with 10,000 nodes and 100,000 allocations: `run()` gives the rows."""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
from tests.allocations.rental import PASSWORD, Rental
from tests.support.ports import free_port

from bench.pages import many
from bench.placement import fleet
from bench.rows import Row, table
from bench.servers import own_postgres, serving
from sublet.core.db import Database
from sublet.identity import users

ROUNDS = 15
COMMANDS = 5
MOST_MS = 300.0
CUSTOMER, OPERATOR = "bench@customer.example", "bench@operator.example"

OPERATORS_PAGES = {
    "nodes": "/admin/nodes?limit=50",
    "nodes, one by its name": "/admin/nodes?name=node-7777",
    "nodes that drift": "/admin/helper-drift?limit=50",
    "helper versions": "/admin/helper-versions",
    "everybody's allocations": "/admin/allocations?limit=50",
    "everybody's that failed": "/admin/allocations?limit=50&state=failed",
    "everybody's that are lost (there is none)": "/admin/allocations?limit=50&state=lost",
    "findings that are open": "/admin/findings?limit=50&state=open",
    "offers": "/offers",
}
CUSTOMERS_PAGES = {
    "allocations of one who has 20,000": "/allocations?limit=50",
    "those that failed": "/allocations?limit=50&state=failed",
    "those that run": "/allocations?limit=50&state=active",
    "those with a label": "/allocations?limit=50&label=team%3Dteam-4",
    "one by its name": "/allocations/a75",
}
OPERATORS_COMMANDS = {
    "sublet admin node ls": ("admin", "node", "ls"),
    "sublet admin node show NAME": ("admin", "node", "show", "node-7777"),
    "sublet admin node versions": ("admin", "node", "versions"),
    "sublet admin allocations": ("admin", "allocations"),
}
CUSTOMERS_COMMANDS = {"sublet ls": ("ls",), "sublet show NAME": ("show", "a75")}


def run() -> Sequence[Row]:
    """Build it all on a server of its own and ask for each page and command in turn."""
    with own_postgres() as server, tempfile.TemporaryDirectory() as directory:
        fleet.build(server.owner_url)
        asyncio.run(_people(server.app_url))
        with psycopg.connect(server.owner_url, autocommit=True) as connection:
            connection.execute("UPDATE user_account SET email = %s WHERE email LIKE '%%@customer.example'", [CUSTOMER])
        many.copy(server.owner_url, nodes=fleet.NODES)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {
            "DATABASE_URL": server.app_url,
            "SUBLET_DATA_DIR": directory,
            "SUBLET_PORT": str(port),
            "SUBLET_PUBLIC_URL": url,
            "SUBLET_CURRENCY": "USD",
            "SUBLET_TIME_ZONE": "UTC",
        }
        rows: list[Row] = []
        with serving("sublet.entry.serve", url=f"{url}/readyz", environment=environment):
            rows += _of(url, OPERATOR, OPERATORS_PAGES, OPERATORS_COMMANDS, Path(directory))
            rows += _of(url, CUSTOMER, CUSTOMERS_PAGES, CUSTOMERS_COMMANDS, Path(directory))
        return rows


async def _people(url: str) -> None:
    """An operator, and a customer with an allocation that runs."""
    database = Database(url)
    try:
        rental = await Rental.open(database)
        await rental.running()
        async with database.transaction() as session:
            roles = frozenset({"admin", "fleet", "finance", "support"})
            await users.create_operator(
                session, email=OPERATOR, password=PASSWORD, name="Operator", platform_roles=roles
            )
    finally:
        await database.close()


def _of(
    url: str, email: str, pages: dict[str, str], commands: dict[str, tuple[str, ...]], directory: Path
) -> list[Row]:
    rows = []
    with httpx.Client(base_url=f"{url}/api/v1", headers={"Origin": url}, timeout=60) as client:
        client.post("/auth/login", json={"email": email, "password": PASSWORD}).raise_for_status()
        floor = _median(client, "/me")
        for name, path in pages.items():
            rows.append(
                _row(f"page with 10,000 nodes and 100,000 allocations: {name}", "/me", floor, _median(client, path))
            )
        me = client.get("/me").json()
        ends = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        made = client.post("/api-tokens", json={"name": "bench", "scopes": me["permissions"], "expires_at": ends})
        made.raise_for_status()
        token = directory / "token"
        token.write_text(made.json()["token"])
        token.chmod(0o600)
    environment = {**os.environ, "SUBLET_URL": url, "SUBLET_TOKEN_FILE": str(token)}
    bare = _command(("--version",), environment)
    for name, arguments in commands.items():
        rows.append(_row(f"command there, CPU: {name}", "sublet --version", bare, _command(arguments, environment)))
    return rows


def _row(work: str, floor_name: str, floor: float, ours: float) -> Row:
    return Row(work, floor_name, floor, ours, "ms", f"≤ {MOST_MS:g} ms", ours <= MOST_MS, "p50")


def _median(client: httpx.Client, path: str) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        client.get(path).raise_for_status()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


def _command(arguments: Sequence[str], environment: dict[str, str]) -> float:
    """The median of the CPU time of a command, with starting Python: what it waits for is in the rows of its pages."""
    times = []
    for _ in range(COMMANDS):
        begun = _cpu_of_commands()
        subprocess.run(
            [sys.executable, "-m", "sublet.cli", *arguments], env=environment, check=True, capture_output=True
        )
        times.append(_cpu_of_commands() - begun)
    return statistics.median(times) * 1000


def _cpu_of_commands() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(table(run()))
