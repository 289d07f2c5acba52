"""What the database refuses, whoever asks."""

import psycopg
import pytest
from psycopg import errors, sql

from sublet.core.db import Database
from tests.ledger.books import key, new_wallet, top_up
from tests.ledger.furnished import books_with_something_in_them

pytestmark = pytest.mark.anyio

TABLES = (
    "account",
    "balance",
    "wallet",
    "ledger_entry",
    "posting",
    "hold",
    "hold_event",
    "topup_lot",
    "promo_lot",
    "seal",
    "seal_mark",
    "calendar",
    "month_close",
    "month_total",
    "correction",
)
APPEND_ONLY = (
    *("account", "wallet", "ledger_entry", "posting", "hold_event", "seal"),
    *("month_close", "month_total", "correction"),
)
NEVER_REMOVED = (*APPEND_ONLY, "balance", "hold", "topup_lot", "promo_lot")
ENTRY = "INSERT INTO ledger.ledger_entry (kind, idempotency_key, request_hash, description, effective_at) "


def _table(name: str) -> sql.Composed:
    return sql.SQL("ledger.{}").format(sql.Identifier(name))


def _account(connection: psycopg.Connection, code: str) -> int:
    """The id of an account."""
    row = connection.execute("SELECT id FROM ledger.account WHERE code = %s", [code]).fetchone()
    assert row is not None
    return int(row[0])


class TestApplicationRole:
    def test_is_kept_from_every_table_that_there_is(self, owner_url: str) -> None:
        with psycopg.connect(owner_url) as owner:
            found = owner.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'ledger'::regnamespace AND relkind = 'r'"
            )
            assert sorted(str(row[0]) for row in found) == sorted(TABLES), (
                "say here what nobody may do with a new table"
            )

    @pytest.mark.parametrize("table", TABLES)
    async def test_may_read_and_nothing_else(self, database: Database, app_url: str, table: str) -> None:
        await books_with_something_in_them(database)
        attempts = [
            sql.SQL("UPDATE {} SET {column} = {column}"),
            sql.SQL("DELETE FROM {}"),
            sql.SQL("TRUNCATE {} CASCADE"),
            sql.SQL("INSERT INTO {} DEFAULT VALUES"),
        ]
        with psycopg.connect(app_url, autocommit=True) as connection:
            connection.execute(sql.SQL("SELECT count(*) FROM {}").format(_table(table)))
            columns = connection.execute(
                "SELECT column_name FROM information_schema.columns "
                "WHERE table_schema = 'ledger' AND table_name = %s AND is_identity = 'NO'",
                [table],
            ).fetchone()
            assert columns is not None
            for attempt in attempts:
                statement = attempt.format(_table(table), table=_table(table), column=sql.Identifier(columns[0]))
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(statement)

    async def test_cannot_execute_inner_functions(self, app_url: str) -> None:
        with psycopg.connect(app_url, autocommit=True) as connection:
            for call in (
                "SELECT ledger.open_books('EUR')",
                "SELECT ledger.set_aside(NULL, 1::bigint, 'spending')",
                "SELECT ledger.post('credit', 'k', '', 'd', NULL, NULL, NULL, now(), '{1}', '{1}')",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(call)

    async def test_cannot_switch_triggers_off_or_become_the_owner(self, app_url: str) -> None:
        with psycopg.connect(app_url, autocommit=True) as connection:
            for attempt in (
                "ALTER TABLE ledger.posting DISABLE TRIGGER ALL",
                "SET session_replication_role = replica",
                "SET ROLE sublet_ledger",
                "CREATE TABLE ledger.mine (id int)",
                "DROP SCHEMA ledger CASCADE",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(attempt)

    async def test_every_function_it_may_execute_has_a_fixed_search_path(self, app_url: str) -> None:
        with psycopg.connect(app_url, autocommit=True) as connection:
            loose = connection.execute(
                """
                SELECT proname FROM pg_proc
                 WHERE pronamespace = 'ledger'::regnamespace AND prosecdef
                   AND NOT coalesce(proconfig, '{}') @> ARRAY['search_path=ledger, pg_temp']
                """
            ).fetchall()
        assert loose == []

    async def test_a_table_of_its_own_does_not_get_in_the_way(self, database: Database, app_url: str) -> None:
        organization = await books_with_something_in_them(database)
        with psycopg.connect(app_url, autocommit=True) as connection:
            connection.execute("CREATE TEMPORARY TABLE balance (account_id bigint, balance bigint, held bigint)")
            connection.execute(
                "SELECT ledger.place_hold(%s, 'USD', 1::bigint, 'al_x', 'spending', %s)", [organization, key()]
            )
            untouched = connection.execute("SELECT count(*) FROM pg_temp.balance").fetchone()
        assert untouched == (0,)


class TestEvenTheOwner:
    @pytest.mark.parametrize("table", NEVER_REMOVED)
    async def test_cannot_delete_or_truncate(self, database: Database, owner_url: str, table: str) -> None:
        await books_with_something_in_them(database)
        with psycopg.connect(owner_url, autocommit=True) as connection:
            for attempt in (sql.SQL("DELETE FROM {}"), sql.SQL("TRUNCATE {} CASCADE")):
                with pytest.raises(psycopg.Error) as raised:
                    connection.execute(attempt.format(_table(table)))
                assert raised.value.sqlstate == "SL004"

    @pytest.mark.parametrize("table", APPEND_ONLY)
    async def test_cannot_update(self, owner_url: str, table: str) -> None:
        with psycopg.connect(owner_url, autocommit=True) as connection:
            column = connection.execute(
                "SELECT column_name FROM information_schema.columns "
                "WHERE table_schema = 'ledger' AND table_name = %s AND is_identity = 'NO'",
                [table],
            ).fetchone()
            assert column is not None
            statement = sql.SQL("UPDATE {} SET {column} = {column}").format(
                _table(table), column=sql.Identifier(column[0])
            )
            with pytest.raises(psycopg.Error) as raised:
                connection.execute(statement)
        assert raised.value.sqlstate == "SL004"

    async def test_cannot_overdraw_or_free_more_than_is_held(self, database: Database, owner_url: str) -> None:
        await books_with_something_in_them(database)
        with psycopg.connect(owner_url, autocommit=True) as connection:
            for change in ("balance = 4999999", "held = 20000001", "held = -1"):
                with pytest.raises(errors.CheckViolation):
                    connection.execute(f"UPDATE ledger.balance SET {change} WHERE held = 5000000")

    async def test_cannot_capture_more_than_a_hold(self, database: Database, owner_url: str) -> None:
        await books_with_something_in_them(database)
        with psycopg.connect(owner_url, autocommit=True) as connection, pytest.raises(errors.CheckViolation):
            connection.execute("UPDATE ledger.hold SET captured = amount + 1")


class TestPostings:
    """Entries that do not fit are refused whole, even from the role that owns the books."""

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            ("(1, {bank}, 5, NULL, NULL), (2, {fees}, -4, NULL, NULL)", "does not sum to zero"),
            ("(1, {bank}, 5, NULL, NULL)", "does not sum to zero"),
            ("(1, {bank}, 5, NULL, NULL), (2, {euros}, -5, NULL, NULL)", "mixes currencies"),
            ("(1, {bank}, 5, NULL, NULL), (2, 999999, -5, NULL, NULL)", "names an unknown account"),
            ("(1, {bank}, 5, NULL, NULL), (3, {fees}, -5, NULL, NULL)", "is not complete"),
            ("(0, {bank}, 5, NULL, NULL), (2, {fees}, -5, NULL, NULL)", "is not complete"),
            ("(1, {bank}, 5, NULL, NULL), (2, {wallet}, -5, NULL, NULL)", "misses a balance"),
            ("(1, {bank}, 5, NULL, NULL), (2, {wallet}, -5, 2, NULL)", "misses a balance"),
            ("(1, {bank}, 5, NULL, NULL), (2, {wallet}, -5, NULL, 19999995)", "misses a balance"),
            ("(1, {bank}, 5, 1, 5), (2, {fees}, -5, NULL, NULL)", "misses a balance"),
            ("(1, {bank}, 5, NULL, NULL), (2, {wallet}, -5, 2, 19999995)", "breaks the chain"),
            ("(1, {bank}, 5, NULL, NULL), (2, {wallet}, -5, 7, 19999995)", "breaks the chain"),
        ],
    )
    async def test_refused(self, database: Database, owner_url: str, lines: str, said: str) -> None:
        await books_with_something_in_them(database)
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute("SELECT ledger.open_books('EUR')")
            accounts = {
                name: connection.execute("SELECT id FROM ledger.account WHERE code LIKE %s", [code]).fetchone()
                for name, code in {
                    "bank": "bank:USD",
                    "fees": "stripe_fees:USD",
                    "euros": "bank:EUR",
                    "wallet": "wallet:%",
                }.items()
            }
            values = lines.format(**{name: row[0] for name, row in accounts.items() if row})
            with pytest.raises(psycopg.Error, match=said) as raised:
                connection.execute(
                    f"WITH e AS ({ENTRY} VALUES ('credit', 'k', '', 'd', now()) RETURNING id) "
                    "INSERT INTO ledger.posting "
                    "SELECT e.id, l.line, l.account_id, l.amount, l.seq::bigint, l.after::bigint "
                    f"FROM e, (VALUES {values}) AS l(line, account_id, amount, seq, after)"
                )
        assert raised.value.sqlstate == "SL005"

    @pytest.mark.parametrize(
        ("balance", "seq", "after"),
        [
            pytest.param(25_000_000, 3, 25_000_000, id="goes on from the last line"),
            pytest.param(15_000_000, 3, 15_000_000, id="goes on from an older line"),
            pytest.param(30_000_000, 3, 25_000_000, id="the balance stays behind"),
            pytest.param(25_000_000, 2, 25_000_000, id="the number of lines stays behind"),
            pytest.param(30_000_000, 2, 25_000_000, id="another's balance moves instead"),
        ],
    )
    async def test_continues_the_chain_of_its_own_account_from_its_last_line(
        self, database: Database, owner_url: str, balance: int, seq: int, after: int
    ) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await top_up(session, organization, "10")
            await new_wallet(session, "20")
        fits = (balance, seq) == (25_000_000, 3)
        with psycopg.connect(owner_url, autocommit=True) as connection:
            wallet = _account(connection, f"wallet:{organization}:USD")
            if (balance, seq) == (30_000_000, 2):
                connection.execute("UPDATE ledger.balance SET balance = 25000000, seq = 3 WHERE balance = 20000000")
            connection.execute(
                "UPDATE ledger.balance SET balance = %s, seq = %s WHERE account_id = %s", [balance, seq, wallet]
            )
            statement = (
                f"WITH e AS ({ENTRY} VALUES ('credit', 'k', '', 'd', now()) RETURNING id) "
                "INSERT INTO ledger.posting SELECT e.id, l.* FROM e, (VALUES (1, %s::bigint, -5000000, 3::bigint, "
                "%s::bigint), (2, %s::bigint, 5000000, NULL, NULL)) AS l"
            )
            parameters = [wallet, after, _account(connection, "bank:USD")]
            if fits:
                connection.execute(statement, parameters)
            else:
                with pytest.raises(psycopg.Error, match="breaks the chain of a balance"):
                    connection.execute(statement, parameters)

    async def test_two_entries_never_come_in_one_statement(self, database: Database, owner_url: str) -> None:
        await books_with_something_in_them(database)
        with psycopg.connect(owner_url, autocommit=True) as connection:
            accounts = {name: _account(connection, f"{name}:USD") for name in ("bank", "stripe_fees")}
            entries = [
                connection.execute(f"{ENTRY} VALUES ('credit', %s, '', 'd', now()) RETURNING id", [number]).fetchone()
                for number in ("k1", "k2")
            ]
            lines = [
                (entry[0], 1 + 2 * place + at, account, 5 - 10 * at)
                for place, entry in enumerate(entries)
                if entry is not None
                for at, account in enumerate(accounts.values())
            ]
            with pytest.raises(psycopg.Error, match="shares its statement with another"):
                connection.execute(
                    "INSERT INTO ledger.posting (entry_id, line, account_id, amount) VALUES "
                    + ", ".join(["(%s, %s, %s, %s)"] * len(lines)),
                    [value for line in lines for value in line],
                )

    async def test_lines_belong_to_an_entry_that_is_there(self, database: Database, owner_url: str) -> None:
        await books_with_something_in_them(database)
        with psycopg.connect(owner_url, autocommit=True) as connection:
            bank, fees = (_account(connection, code) for code in ("bank:USD", "stripe_fees:USD"))
            with pytest.raises(psycopg.Error, match="an entry does not exist"):
                connection.execute(
                    "INSERT INTO ledger.posting (entry_id, line, account_id, amount) "
                    "VALUES (999999, 1, %s, 5), (999999, 2, %s, -5)",
                    [bank, fees],
                )

    async def test_an_account_of_a_customer_is_never_taken_for_ours(self, database: Database, owner_url: str) -> None:
        organization = await books_with_something_in_them(database)
        with psycopg.connect(owner_url, autocommit=True) as connection:
            with pytest.raises(psycopg.Error, match="there is no account") as raised:
                connection.execute("SELECT ledger.system_account('wallet', %s)", [f"{organization}:USD"])
            assert raised.value.sqlstate == "SL006"

    async def test_an_entry_is_never_added_to(self, database: Database, owner_url: str) -> None:
        await books_with_something_in_them(database)
        with psycopg.connect(owner_url, autocommit=True) as connection:
            entry = connection.execute("SELECT min(id) FROM ledger.ledger_entry").fetchone()
            bank = connection.execute("SELECT id FROM ledger.account WHERE code = 'bank:USD'").fetchone()
            assert entry is not None
            assert bank is not None
            for first_line, refused in ((1, "23505"), (3, "SL005")):
                with pytest.raises(psycopg.Error) as raised:
                    connection.execute(
                        "INSERT INTO ledger.posting VALUES (%s, %s, %s, 5, NULL, NULL), (%s, %s, %s, -5, NULL, NULL)",
                        [entry[0], first_line, bank[0], entry[0], first_line + 1, bank[0]],
                    )
                assert raised.value.sqlstate == refused
