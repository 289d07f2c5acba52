"""Usage, payments and the trail are sealed with the ledger: in the database, by signed heads, and from outside."""

import json
from base64 import b64encode
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, ObjectNotInPrerequisiteState
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sublet.admin import seals
from sublet.admin.verification import array_text, verify
from sublet.core import heads, registers
from sublet.core.db import Database
from sublet.entry import verify as command
from sublet.ledger import seals as ledger_seals
from tests.admin.archives import Archive, seal_anew, tamper

pytestmark = pytest.mark.anyio

NAMES = ["ledger", "account", "usage", "top_up", "refund", "dispute", "payout", "audit"]
HISTORIES = ["top_up_history", "refund_history", "dispute_history", "payout_history"]
REWRITES = {
    "account": "UPDATE ledger.account SET owner_id = 'org_mine' WHERE id = (SELECT min(id) FROM ledger.wallet)",
    "usage": "UPDATE usage_charge SET amount = amount - 1 WHERE id = 1",
    "top_up": "UPDATE top_up SET amount = 30000000 WHERE id = 'tu_1'",
    "refund": "UPDATE refund SET amount = 2000000 WHERE id = 'rf_1'",
    "dispute": "UPDATE dispute_history SET next = 'won' WHERE id = 1",
    "payout": "UPDATE payout_history SET next = 'failed' WHERE id = 1",
    "audit": "UPDATE audit_event SET actor_name = 'Nobody' WHERE seq = (SELECT min(seq) FROM audit_event)",
}
TAILS = {
    "account": ("ledger.account", "id"),
    "usage": ("usage_charge", "id"),
    "top_up": ("top_up_history", "id"),
    "refund": ("refund_history", "id"),
    "dispute": ("dispute_history", "id"),
    "payout": ("payout_history", "id"),
    "audit": ("audit_event", "seq"),
}
UNNOTICED = {
    "account": "UPDATE ledger.wallet SET owner_id = 'org_mine' WHERE id = (SELECT min(id) FROM ledger.wallet)",
    "usage": "UPDATE usage_record SET node_id = 'nd_2'",
    "top_up": "UPDATE top_up_history SET reason = 'other'",
    "refund": "UPDATE refund_history SET reason = 'other'",
    "dispute": "UPDATE dispute SET top_up_id = 'tu_2'",
    "payout": "UPDATE payout SET amount = 1",
    "audit": "UPDATE audit_event SET action = 'thing.undone'",
}


STRAYS = {
    "ledger": ("ledger.ledger_entry", "id", "'idempotency_key', 'forged', 'reverses_entry_id', NULL"),
    "account": ("ledger.account", "id", "'code', 'forged'"),
    "usage": ("usage_charge", "id", "'period_start', '2001-01-01'"),
    "top_up": ("top_up_history", "id", "'reason', 'forged'"),
    "refund": ("refund_history", "id", "'reason', 'forged'"),
    "dispute": ("dispute_history", "id", "'reason', 'forged'"),
    "payout": ("payout_history", "id", "'reason', 'forged'"),
    "audit": ("audit_event", "seq", "'id', 'ae_forged'"),
}

SEQUENCES = {"ledger": "ledger.entry_id", "audit": "audit_event_seq"}


@pytest.fixture
async def archive(database: Database, tmp_path: Path) -> Archive:
    """Three rounds of rows in every register, each sealed and published."""
    made = Archive(database, tmp_path)
    for _ in range(3):
        await made.write()
        await made.seal()
    return made


def planted(table: str, column: str, row_id: int | str, other: str) -> str:
    """Another row like the first one, with that id."""
    differs = f"jsonb_build_object('{column}', {row_id}, {other})"
    return (
        f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(t, {differs})).* "
        f"FROM {table} t WHERE {column} = (SELECT min({column}) FROM {table})"
    )


def wrong(owner_url: str, archive: Archive) -> dict[str, list[str]]:
    """What verification from outside finds, by chain."""
    return {one.name: one.problems for one in verify(owner_url, archive.file) if one.problems}


class TestSealing:
    async def test_reaches_everything_that_happened(self, archive: Archive, owner_url: str) -> None:
        found = verify(owner_url, archive.file)
        assert [one.name for one in found] == NAMES
        assert all(one.seals == one.heads == 3 and not one.problems for one in found), found
        assert await archive.broken() == []
        assert await archive.contradicted() == []

    async def test_waits_for_who_may_still_write(self, database: Database, tmp_path: Path, app_url: str) -> None:
        archive = Archive(database, tmp_path)
        await archive.write()
        with psycopg.connect(app_url) as slow:
            row = "INSERT INTO audit_event (id, actor_kind, actor_name, action, target_type, target_id) "
            slow.execute((row + "VALUES ('ae_slow', 'system', 'x', 'thing.done', 'thing', '1')").encode())
            for _ in range(3):
                assert await seals.seal_registers(database) == 0
            slow.commit()
        assert [await seals.seal_registers(database) for _ in range(3)][-1] == 0
        await archive.seal()
        assert await archive.broken() == []

    async def test_of_a_backlog_is_some_of_it_a_call_and_all_of_it_at_last(
        self, database: Database, app_url: str, owner_url: str
    ) -> None:
        tamper(
            owner_url,
            "INSERT INTO audit_event (id, actor_kind, actor_name, action, target_type, target_id) "
            "SELECT 'ae_' || n, 'system', 'x', 'thing.done', 'thing', '1' FROM generate_series(1, 205) n",
        )
        with psycopg.connect(app_url, autocommit=True) as connection:
            calls = [connection.execute("SELECT sublet_seal_register('audit', 1)").fetchone() for _ in range(4)]
        assert calls == [(0,), (200,), (5,), (0,)]
        async with database.reading() as session:
            assert await registers.broken(session) == []

    async def test_of_a_register_that_fails_stops_no_other(
        self, database: Database, tmp_path: Path, owner_url: str
    ) -> None:
        archive = Archive(database, tmp_path)
        await archive.write()
        tamper(owner_url, "DELETE FROM sealed_register WHERE name = 'usage'")
        for _ in range(2):
            with pytest.raises(DBAPIError, match="returned no rows"):
                await seals.seal_registers(database)
        async with database.reading() as session:
            sealed = (await session.execute(text("SELECT DISTINCT register FROM register_seal"))).scalars()
            assert set(sealed) == {"account", "top_up", "refund", "dispute", "payout", "audit"}

    async def test_needs_a_transaction_of_its_own(self, archive: Archive, app_url: str) -> None:
        with psycopg.connect(app_url) as connection:
            connection.execute("SELECT pg_current_xact_id()")
            with pytest.raises(ObjectNotInPrerequisiteState):
                connection.execute("SELECT sublet_seal_register('usage', 10)")

    @pytest.mark.parametrize("table", ["usage_charge", *HISTORIES])
    async def test_draws_the_transaction_before_the_id(self, archive: Archive, owner_url: str, table: str) -> None:
        """Where the row's id cannot be drawn, the transaction has its own by then."""
        with psycopg.connect(owner_url) as connection:
            connection.execute(f"ALTER SEQUENCE {table}_id_seq MAXVALUE 3".encode())
            connection.commit()
            columns, values = {
                "usage_charge": (
                    "subject_id, period_start, meter_kind, organization_id, currency, price_id, nano_per_hour, amount",
                    "'al', now(), 'compute', 'org', 'USD', 'prc', 1, 0",
                )
            }.get(table, (f"{table.removesuffix('_history')}_id, previous, next, reason", "'x', 'x', 'x', 'x'"))
            connection.execute(
                f"""
                DO $$ BEGIN
                  BEGIN
                    INSERT INTO {table} ({columns}) VALUES ({values});
                  EXCEPTION WHEN sequence_generator_limit_exceeded THEN
                    RETURN;
                  END;
                  RAISE 'an id was drawn';
                END $$
                """.encode()
            )
            drawn = connection.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL").fetchone()
        assert drawn == (True,)

    @pytest.mark.parametrize("table", ["usage_charge", *HISTORIES])
    async def test_cannot_be_entered_by_choosing_an_id(self, archive: Archive, app_url: str, table: str) -> None:
        forged = f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {table}"
        with psycopg.connect(app_url) as connection, pytest.raises(InsufficientPrivilege):
            connection.execute(forged.encode())

    @pytest.mark.parametrize("statement", ["INSERT INTO {} SELECT * FROM {}", "DELETE FROM {}", "TRUNCATE {}"])
    @pytest.mark.parametrize("table", ["register_seal", "register_seal_mark", "sealed_register"])
    async def test_is_nothing_that_the_application_writes(
        self, archive: Archive, app_url: str, table: str, statement: str
    ) -> None:
        with psycopg.connect(app_url) as connection, pytest.raises(InsufficientPrivilege):
            connection.execute(statement.format(table, table).encode())


class TestRewriting:
    @pytest.mark.parametrize("name", REWRITES)
    async def test_breaks_the_seals_of_that_register_alone(self, archive: Archive, owner_url: str, name: str) -> None:
        tamper(owner_url, REWRITES[name])
        assert {subject.split("/")[0] for subject in await archive.broken()} == {name}
        assert wrong(owner_url, archive).keys() == {name}

    @pytest.mark.parametrize("name", UNNOTICED)
    async def test_of_what_belongs_to_a_row_does_too(self, archive: Archive, owner_url: str, name: str) -> None:
        tamper(owner_url, UNNOTICED[name])
        assert {subject.split("/")[0] for subject in await archive.broken()} == {name}

    @pytest.mark.parametrize("name", REWRITES)
    async def test_sealed_anew_contradicts_the_heads(self, archive: Archive, owner_url: str, name: str) -> None:
        tamper(owner_url, REWRITES[name], seal_anew(name))
        assert await archive.broken() == []
        assert {problem for _, problem in await archive.contradicted()} == {heads.DIFFERS}
        problems = wrong(owner_url, archive)
        assert problems.keys() == {name}
        assert all(heads.DIFFERS in problem for problem in problems[name])

    @pytest.mark.parametrize("name", TAILS)
    async def test_a_tail_that_is_cut_is_missed(self, archive: Archive, owner_url: str, name: str) -> None:
        table, column = TAILS[name]
        last = f"(SELECT from_id FROM register_seal WHERE register = '{name}' ORDER BY from_id DESC LIMIT 1)"
        tamper(
            owner_url,
            f"DELETE FROM {table} WHERE {column} >= {last}",
            f"DELETE FROM register_seal WHERE register = '{name}' AND from_id = {last}",
        )
        assert await archive.broken() == []
        assert [problem for _, problem in await archive.contradicted()] == [heads.GONE]
        problems = wrong(owner_url, archive)
        assert problems.keys() == {name}
        assert problems[name][-1].endswith(heads.GONE)


class TestVerificationFromOutside:
    async def test_asks_no_function_of_the_database(self, archive: Archive, owner_url: str) -> None:
        """Its owner may have all functions and views say what was sealed."""
        tamper(
            owner_url,
            REWRITES["usage"],
            "CREATE OR REPLACE FUNCTION sublet_register_hash(_register text, _prev bytea, _from bigint, _to bigint) "
            "RETURNS bytea LANGUAGE sql STABLE AS "
            "'SELECT hash FROM register_seal WHERE register = _register AND from_id = _from'",
            "UPDATE ledger.posting SET amount = amount * 2",
            "CREATE OR REPLACE FUNCTION ledger.range_hash(_prev bytea, _from bigint, _to bigint) RETURNS bytea "
            "LANGUAGE sql STABLE AS 'SELECT hash FROM ledger.seal WHERE from_id = _from'",
        )
        assert await archive.broken() == []
        assert await archive.contradicted() == []
        assert wrong(owner_url, archive).keys() == {"ledger", "usage"}

    async def test_takes_no_view_for_a_table(self, archive: Archive, owner_url: str) -> None:
        tamper(
            owner_url,
            "ALTER TABLE refund_history RENAME TO hidden",
            "CREATE VIEW refund_history AS SELECT * FROM hidden",
        )
        assert "no plain table" in wrong(owner_url, archive)["refund"][0]

    async def test_takes_no_table_of_another_schema(self, archive: Archive, owner_url: str) -> None:
        tamper(
            owner_url,
            "CREATE SCHEMA other",
            "CREATE TABLE other.usage_charge AS SELECT * FROM usage_charge",
            REWRITES["usage"],
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = other', current_database()); END $$",
        )
        assert wrong(owner_url, archive).keys() == {"usage"}

    async def test_finds_rows_that_lie_between_two_seals(self, archive: Archive, owner_url: str) -> None:
        tamper(owner_url, "DELETE FROM register_seal WHERE register = 'audit' AND from_id = 1")
        assert any("lies between two seals" in problem for problem in wrong(owner_url, archive)["audit"])

    @pytest.mark.parametrize("name", STRAYS)
    @pytest.mark.parametrize("stray", ["0", "-7", "1000000"], ids=["none", "below", "never drawn"])
    async def test_finds_rows_that_no_seal_will_reach(
        self, archive: Archive, owner_url: str, name: str, stray: str
    ) -> None:
        table, column, other = STRAYS[name]
        tamper(owner_url, planted(table, column, stray, other))
        problems = wrong(owner_url, archive)
        assert problems.keys() == {name}
        assert "never given out" in problems[name][0]
        async with archive.database.reading() as session:
            in_books = [f"{register}/{first}" for register, first, _ in await registers.strays(session)]
            in_ledger = [f"ledger/{first}" for first, _ in await ledger_seals.broken_seals(session)]
        assert [*in_books, *in_ledger] == [f"{name}/{stray}"]
        assert await archive.broken() == ([] if name == "ledger" else [f"{name}/{stray}-{stray}"])

    @pytest.mark.parametrize("name", STRAYS)
    async def test_finds_rows_in_a_gap_that_was_sealed(
        self, database: Database, tmp_path: Path, owner_url: str, name: str
    ) -> None:
        archive = Archive(database, tmp_path)
        table, column, other = STRAYS[name]
        await archive.write()
        with psycopg.connect(owner_url, autocommit=True) as owner:
            drawn = owner.execute("SELECT nextval(%s)", [SEQUENCES.get(name, f"{table}_{column}_seq")]).fetchone()
        await archive.write()
        await archive.seal()
        assert wrong(owner_url, archive) == {}
        assert drawn is not None
        tamper(owner_url, planted(table, column, drawn[0], other))
        assert wrong(owner_url, archive).keys() == {name}
        assert any(subject.startswith(f"{name}/") for subject in await archive.broken()) or name == "ledger"

    @pytest.mark.parametrize(
        ("name", "statement"),
        [
            (
                "ledger",
                "INSERT INTO ledger.posting SELECT (jsonb_populate_record(p, "
                "jsonb_build_object('entry_id', -5, 'account_seq', NULL))).* FROM ledger.posting p WHERE entry_id = 1",
            ),
            ("account", "INSERT INTO ledger.wallet SELECT -7, -6, -5, 'org_mine', 'USD'"),
        ],
    )
    async def test_finds_what_belongs_to_no_row(
        self, archive: Archive, owner_url: str, name: str, statement: str
    ) -> None:
        tamper(owner_url, statement)
        assert "belong to none" in wrong(owner_url, archive)[name][0]

    async def test_says_how_much_is_not_sealed_yet(self, archive: Archive, owner_url: str) -> None:
        await archive.write()
        found = {one.name: one for one in verify(owner_url, archive.file)}
        assert not any(one.problems for one in found.values())
        assert {name: one.unsealed for name, one in found.items() if name in {"usage", "payout", "audit"}} == {
            "usage": 1,
            "payout": 1,
            "audit": 1,
        }

    async def test_finds_heads_of_another_key(self, archive: Archive, owner_url: str) -> None:
        found = verify(owner_url, archive.file, key=b"k" * 32)
        assert all(heads.NOT_SIGNED in problem for one in found for problem in one.problems)
        assert all(len(one.problems) == 3 for one in found)

    async def test_finds_a_chain_that_is_gone_with_its_tables(self, archive: Archive, owner_url: str) -> None:
        line = json.loads(archive.file.read_text().splitlines()[0])
        message = heads.Head(
            "payouts", line["to_id"], bytes.fromhex(line["hash"]), heads.read(archive.file)[0].head.sealed_at
        )
        signed = {**json.loads(message.message), "key": line["key"]}
        signed["signature"] = b64encode(await archive.signer.sign(message.message)).decode()
        archive.file.write_text(archive.file.read_text() + json.dumps(signed) + "\n")
        assert wrong(owner_url, archive) == {"payouts": [f"up to {line['to_id']}: {heads.GONE}"]}

    def test_writes_arrays_as_the_database_does(self, owner_url: str) -> None:
        for parts in (
            ["a", None, "", "NULL", "null", "nULLs"],
            ['"', "\\", "{x}", "a,b", " ", "\t\n\v\f\r"],
            ["ä€😀", "-1.5"],
        ):
            with psycopg.connect(owner_url) as connection:
                row = connection.execute("SELECT %s::text[]::text", [parts]).fetchone()
            assert row == (array_text(parts),)


class TestCommand:
    async def test_says_what_is_as_it_was(
        self, archive: Archive, owner_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        key = b64encode(await archive.signer.public_key()).decode()
        assert command.main(["--heads", str(archive.file), "--database", owner_url, "--key", key]) == 0
        said = capsys.readouterr()
        assert said.out.splitlines()[2] == "usage: is what was sealed; 3 seals up to 3, 3 heads"
        assert said.err == ""

    async def test_says_what_is_not(
        self, archive: Archive, owner_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tamper(owner_url, REWRITES["refund"])
        monkeypatch.setenv("DATABASE_URL", owner_url)
        assert command.main(["--heads", str(archive.file), "--json"]) == 1
        said = capsys.readouterr()
        told = {one["name"]: one["problems"] for one in json.loads(said.out)}
        assert [name for name, problems in told.items() if problems] == ["refund"]
        assert b64encode(await archive.signer.public_key()).decode() in said.err

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["--database", "postgresql://nobody@/none?host=/nowhere"], "could not be read"),
            (["--database", "postgresql://x", "--key", "%"], "cannot be read"),
            ([], "no address of a database"),
        ],
    )
    async def test_says_why_nothing_was_verified(
        self,
        archive: Archive,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
        why: str,
    ) -> None:
        monkeypatch.delenv("DATABASE_URL", raising=False)
        assert command.main(["--heads", str(archive.file), *arguments]) == 2
        assert why in capsys.readouterr().err

    def test_needs_a_head(self, tmp_path: Path, owner_url: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.main(["--heads", str(tmp_path / "none"), "--database", owner_url]) == 2
        assert "holds no head" in capsys.readouterr().err
