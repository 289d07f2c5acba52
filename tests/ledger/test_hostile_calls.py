"""What the application's role may call, and calls wrongly: refused by name, and nothing is posted or set aside."""

import psycopg
import pytest

from sublet.core.db import Database
from sublet.ledger import holds
from tests.ledger.books import assert_books_are_sound, key, new_hold, new_wallet, usd

pytestmark = pytest.mark.anyio

CAPTURE = "SELECT ledger.capture({hold}, {amount}, {overrun}, 'compute', '{key}', 'Usage', 'subject', 'al_1', now())"
BATCH = (
    "SELECT charged_hold_id FROM ledger.capture_batch({holds}, {amounts}, 'USD', 'compute', '{key}', 'Usage', "
    "'settlement', 'st_1', now())"
)


def refused(app_url: str, statement: str) -> str:
    """How the ledger says no to it."""
    with psycopg.connect(app_url, autocommit=True) as connection:
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(statement)
        assert raised.value.sqlstate is not None
        return f"{raised.value.sqlstate} {raised.value.diag.message_primary}"


class TestACharge:
    async def test_of_nothing_is_refused(self, database: Database, app_url: str) -> None:
        hold = await spending(database)
        for amount in ("0", "-1", "NULL"):
            said = refused(app_url, CAPTURE.format(hold=hold, amount=amount, overrun="true", key=key()))
            assert said == "SL006 a charge is of something"

    @pytest.mark.parametrize("overrun", ["false", "NULL"])
    async def test_over_its_hold_needs_a_plain_yes(self, database: Database, app_url: str, overrun: str) -> None:
        hold = await spending(database)
        said = refused(app_url, CAPTURE.format(hold=hold, amount=5_000_001, overrun=overrun, key=key()))
        assert said == f"SL003 hold {hold} has 5000000 left, not 5000001"

    async def test_of_a_closed_hold_is_refused_also_over_it(self, database: Database, app_url: str) -> None:
        hold = await spending(database)
        async with database.transaction() as session:
            await holds.release(session, hold, idempotency_key=key())
        said = refused(app_url, CAPTURE.format(hold=hold, amount=1, overrun="true", key=key()))
        assert said == f"SL003 hold {hold} is closed"

    async def test_of_withheld_money_is_refused(self, database: Database, app_url: str, owner_url: str) -> None:
        hold = await withheld(database)
        said = refused(app_url, CAPTURE.format(hold=hold, amount=1, overrun="false", key=key()))
        assert said == f"SL006 hold {hold} is withheld, and nothing is charged to it"
        with psycopg.connect(app_url, autocommit=True) as connection:
            batch = BATCH.format(holds=f"ARRAY[{hold}]::bigint[]", amounts="ARRAY[1]::bigint[]", key=key())
            assert connection.execute(batch).fetchall() == []
        with (
            psycopg.connect(owner_url, autocommit=True) as connection,
            pytest.raises(psycopg.errors.CheckViolation, match="hold_withheld_is_not_spent"),
        ):
            connection.execute("UPDATE ledger.hold SET captured = 1 WHERE kind = 'withheld'")


class TestABatch:
    async def test_that_names_a_hold_twice_is_refused(self, database: Database, app_url: str) -> None:
        hold = await spending(database)
        twice, amounts = f"ARRAY[{hold}, {hold}]::bigint[]", "ARRAY[1, 1]::bigint[]"
        for statement in (
            f"SELECT ledger.extend_holds({twice}, {amounts})",
            BATCH.format(holds=twice, amounts=amounts, key=key()),
        ):
            assert refused(app_url, statement) == f"SL006 hold {hold} is named twice"
        async with database.transaction() as session:
            await assert_books_are_sound(session)


class TestAFee:
    @pytest.mark.parametrize("amount", ["0", "-1", "NULL"])
    async def test_of_nothing_is_refused(self, app_url: str, amount: str) -> None:
        said = refused(app_url, f"SELECT ledger.stripe_fee('USD', {amount}, 'txn_1', 'Fee', 'top_up', 'tu_1')")
        assert said == "SL006 a fee is of something"


FUNCTIONS = """
SELECT p.proname, a.name, a.type::regtype::text
  FROM pg_proc p
 CROSS JOIN LATERAL unnest(p.proargnames, p.proargtypes::oid[]) WITH ORDINALITY AS a(name, type, place)
 WHERE p.pronamespace = 'ledger'::regnamespace AND p.prosecdef AND a.type IS NOT NULL
 ORDER BY p.proname, a.place
"""
IDS = {"_hold", "_holds", "_entry", "_refund", "_entries_each"}
"""Numbers that say which or how many, and not how much."""
WITHOUT_AMOUNTS = {
    "close_month",
    "keep_calendar",
    "name_corrected",
    "pay_owed",
    "refund_failed",
    "refund_succeeded",
    "open_wallet",
    "release_hold",
    "reverse",
    "lock_wallets_of",
    "seal_ranges",
}


class TestAnAmount:
    async def test_below_zero_or_missing_is_refused_by_every_function(self, database: Database, app_url: str) -> None:
        """Of a call that is fine but for one amount; what takes no amount is named above."""
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = (await new_hold(session, organization, "5")).id
        with psycopg.connect(app_url, autocommit=True) as connection:
            arguments: dict[str, list[tuple[str, str]]] = {}
            for function, name, kind in connection.execute(FUNCTIONS):
                arguments.setdefault(function, []).append((name, kind))
            charge = connection.execute("SELECT max(charge_id) FROM ledger.topup_lot").fetchone()
        assert charge is not None
        named = {"_owner": organization, "_currency": "USD", "_meter_kind": "compute", "_kind": "spending"}
        named |= {"_hold": str(hold), "_holds": f"{{{hold}}}", "_entry": "1", "_refund": "1", "_charge": charge[0]}
        by_kind = {"boolean": "true", "bigint": "1", "bigint[]": "{1}", "timestamp with time zone": "now"}
        tried = set()
        for function, taken in arguments.items():
            for at, (name, kind) in enumerate(taken):
                if kind not in {"bigint", "bigint[]"} or name in IDS:
                    continue
                tried.add(function)
                for wrong in ("-1", "NULL"):
                    values = [named.get(each, by_kind.get(of, key())) for each, of in taken]
                    values[at] = f"{{{wrong}}}" if kind == "bigint[]" else wrong
                    call = ", ".join(
                        f"{each} => {'NULL' if value == 'NULL' else repr(value)}::{of}"
                        for (each, of), value in zip(taken, values, strict=True)
                    )
                    said = refused(app_url, f"SELECT ledger.{function}({call})")
                    assert said.startswith("SL006 "), (function, name, wrong, said)
        assert set(arguments) - tried == WITHOUT_AMOUNTS
        async with database.transaction() as session:
            await assert_books_are_sound(session)


class TestAnExtension:
    @pytest.mark.parametrize("amount", ["0", "-1", "NULL"])
    async def test_by_nothing_is_refused(self, database: Database, app_url: str, amount: str) -> None:
        hold = await spending(database)
        said = refused(app_url, f"SELECT ledger.extend_hold({hold}, {amount}, '{key()}')")
        assert said == "SL006 a hold is extended by something"


async def spending(database: Database) -> int:
    """A hold of 5.00 of a wallet of 20.00."""
    async with database.transaction() as session:
        return (await new_hold(session, await new_wallet(session, "20"), "5")).id


async def withheld(database: Database) -> int:
    """5.00 that was taken back, out of a wallet of 20.00."""
    async with database.transaction() as session:
        organization = await new_wallet(session, "20")
        held = await holds.withhold(session, organization, usd("5"), subject_id=key(), idempotency_key=key())
    return held.id
