"""DATABASE_URL wins over the embedded database: `sublet up` uses what it names, and starts none."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from sublet.migrations.run import head
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.supervisor.conftest import NewUp
from tests.supervisor.running import Up, refused
from tests.support.app import PASSWORD

WITHOUT_DEMO = ("--no-demo",)


@pytest.fixture
def empty(postgres: EmbeddedPostgres, database_name: str) -> Iterator[str]:
    """The name of a database with nothing in it."""
    name = f"{database_name}_up"
    postgres.sql(f"CREATE DATABASE {name} TEMPLATE template0")
    yield name
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def web_role(postgres: EmbeddedPostgres, database_name: str) -> Iterator[str]:
    """A login role of an operator's making, which may do what the application may."""
    name = f"web_{database_name}"
    postgres.sql(f"CREATE ROLE {name} LOGIN IN ROLE sublet_app")
    yield name
    postgres.sql(f"DROP ROLE {name}")


def servers(up: Up) -> list[str]:
    """The database servers that `up` or anything under it started."""
    assert up.process is not None
    parents = {}
    commands = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat, open(f"/proc/{entry}/cmdline") as command:
                    parents[int(entry)] = int(stat.read().rpartition(")")[2].split()[1])
                    commands[int(entry)] = command.read().split("\0")[0]
            except OSError:
                continue
    under = {up.process.pid}
    while more := {pid for pid, parent in parents.items() if parent in under} - under:
        under |= more
    return [commands[pid] for pid in under if "postgres" in commands.get(pid, "")]


def addresses_given(up: Up) -> dict[str, set[str]]:
    """The database addresses in the environment of each process that stays, under whatever name."""
    found = {}
    for module in ("sublet.entry.serve", "sublet.entry.worker", "sublet_sandbox.stripe.__main__"):
        entries = Path(f"/proc/{up.child(module)}/environ").read_text().split("\0")
        found[module] = {value for _, _, value in (entry.partition("=") for entry in entries) if "postgresql:" in value}
    return found


def sign_up(up: Up) -> str:
    """Make an account through the API; its address."""
    email = "somebody@customer.example"
    body = {"email": email, "password": PASSWORD, "name": "Somebody"}
    answer = httpx.post(f"{up.url}/api/v1/auth/signup", json=body, headers={"Origin": up.url}, timeout=20)
    assert answer.status_code == 201, answer.text
    return email


class TestDatabaseUrl:
    def test_is_used_and_no_other_database_is_started(
        self, new_up: NewUp, postgres: EmbeddedPostgres, empty: str, web_role: str
    ) -> None:
        owner_url = postgres.url("sublet_owner", empty)
        addresses = {"DATABASE_URL": postgres.url(web_role, empty), "DATABASE_OWNER_URL": owner_url}
        up = new_up(*WITHOUT_DEMO, environment=addresses).ready()
        assert "Using the database of DATABASE_URL" in up.printed
        assert servers(up) == []
        assert addresses_given(up) == {
            "sublet.entry.serve": {addresses["DATABASE_URL"]},
            "sublet.entry.worker": {addresses["DATABASE_URL"]},
            "sublet_sandbox.stripe.__main__": set(),
        }
        email = sign_up(up)
        assert up.stop() == 0, up.printed
        assert up.left() == []
        assert list((up.directory / "postgres").iterdir()) == []
        with psycopg.connect(owner_url) as connection:  # the server was not ours to stop
            assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (head(),)
            assert connection.execute("SELECT email FROM user_account").fetchall() == [(email,)]

    def test_unset_starts_the_embedded_one(self, new_up: NewUp) -> None:
        up = new_up(*WITHOUT_DEMO).ready()
        assert servers(up) != []
        assert (up.directory / "postgres" / "data").is_dir()
        app_url = EmbeddedPostgres(up.directory / "postgres").app_url
        assert addresses_given(up) == {
            "sublet.entry.serve": {app_url},
            "sublet.entry.worker": {app_url},
            "sublet_sandbox.stripe.__main__": set(),
        }
        assert up.stop() == 0, up.printed

    def test_that_is_no_address_is_refused_and_not_repeated(self, new_up: NewUp) -> None:
        up = new_up(*WITHOUT_DEMO, environment={"DATABASE_URL": "mysql://root:tiger@localhost/sublet"})
        said = refused(up)
        assert "DATABASE_URL is not the address of a PostgreSQL" in said
        assert "tiger" not in said
        assert list((up.directory / "postgres").iterdir()) == []
        assert up.left() == []

    def test_that_leads_nowhere_is_not_replaced_by_another_database(self, new_up: NewUp) -> None:
        up = new_up(*WITHOUT_DEMO, environment={"DATABASE_URL": "postgresql://sublet@/sublet?host=/nonexistent"})
        assert "/nonexistent" in refused(up)
        assert list((up.directory / "postgres").iterdir()) == []
        assert up.left() == []
