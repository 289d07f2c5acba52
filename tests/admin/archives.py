"""Rows in every register, sealed, with heads in a file; and what the owner of the database does to them."""

from pathlib import Path

import psycopg
from sqlalchemy import text

from sublet.admin.seals import CHAINS, heads_hold, seal_registers, seals_hold
from sublet.audit.record import record
from sublet.billing import settlement
from sublet.core import heads
from sublet.core.actors import system_actor
from sublet.core.db import Database
from sublet.core.runtime import keyring_of
from sublet.core.signer import Signer
from sublet.ledger import seals
from tests.billing.usage import new_subject, observe_until
from tests.support.app import settings_for
from tests.support.policy import DEFAULT_POLICY

_CUSTOMER = text(
    """
    WITH owner AS (
      INSERT INTO user_account (id, email, name, password_hash)
      VALUES ('usr_' || CAST(:id AS text), CAST(:id AS text) || '@customer.example', 'Owner', '$argon2id$of-nobody')
      RETURNING id
    ), made AS (
      INSERT INTO organization (id, name) VALUES (:id, 'Customer') RETURNING id
    )
    INSERT INTO membership (organization_id, user_id, role) SELECT made.id, owner.id, 'owner' FROM made, owner
    """
)
_PAYMENT = text(
    """
    WITH paid AS (
      INSERT INTO top_up (id, organization_id, requested_by, amount, currency, return_path, success_url, cancel_url)
      VALUES (:id, :organization, 'usr_1', 20000000, 'USD', '/', 'https://x.example', 'https://x.example')
      RETURNING id
    )
    INSERT INTO top_up_history (top_up_id, previous, next, reason) SELECT id, 'pending', 'processing', :reason FROM paid
    """
)
_DISPUTE = text(
    """
    WITH seen AS (
      INSERT INTO dispute (id, processor_id, organization_id, top_up_id, amount, currency, reason, disputed_at)
      VALUES (:id, :id, :organization, :top_up, 20000000, 'USD', 'general', clock_timestamp()) RETURNING id
    )
    INSERT INTO dispute_history (dispute_id, previous, next, reason) SELECT id, 'seen', 'open', 'it was' FROM seen
    """
)
_PAYOUT = text(
    """
    WITH seen AS (
      INSERT INTO payout (id, processor_id, amount, currency, automatic, arrives_on, created_at)
      VALUES (:id, :id, 5000000, 'USD', true, clock_timestamp(), clock_timestamp()) RETURNING id
    )
    INSERT INTO payout_history (payout_id, previous, next, reason) SELECT id, 'created', 'paid', 'it arrived' FROM seen
    """
)
_REFUND = text(
    """
    WITH begun AS (
      INSERT INTO refund (id, organization_id, top_up_id, origin, requested_by, requested_by_name, amount, currency,
                          reason, entry_id, owed)
      VALUES (:id, :organization, :top_up, 'operator', 'usr_1', 'Ada', 1000000, 'USD', 'asked, "for"',
              (SELECT max(id) FROM ledger.ledger_entry), 0) RETURNING id
    )
    INSERT INTO refund_history (refund_id, previous, next, reason)
    SELECT id, 'pending', 'succeeded', 'the processor sent it' FROM begun
    """
)


class Archive:
    """Registers that are sealed again and again, each head published to a file."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = database
        self.file = directory / "heads.jsonl"
        self.signer = Signer(database, keyring_of(settings_for(directory / "data")))
        self.times = 0

    async def write(self) -> None:
        """Something in every register: odd words too."""
        self.times += 1
        async with self.database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 480)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            payment = {"organization": subject.organization, "id": f"tu_{self.times}"}
            await session.execute(_CUSTOMER, {"id": subject.organization})
            await session.execute(_PAYMENT, {**payment, "reason": 'a "quoted", {braced} \\ NULL'})
            about = {"organization": subject.organization, "top_up": payment["id"]}
            await session.execute(_REFUND, {**about, "id": f"rf_{self.times}"})
            await session.execute(_DISPUTE, {**about, "id": f"dp_{self.times}"})
            await session.execute(_PAYOUT, {"id": f"po_{self.times}"})
            await record(session, system_actor(), "thing.done", "thing", str(self.times))

    async def seal(self) -> None:
        """Seal what is there, and publish that."""
        for _ in range(2):
            async with self.database.transaction() as session:
                await seals.seal_ranges(session)
            await seal_registers(self.database)
        await heads.publish(self.database, self.signer, self.file, CHAINS)

    async def broken(self) -> list[str]:
        """What the seals in the database say of themselves."""
        async with self.database.transaction() as session:
            return [finding.subject_id for finding in (await seals_hold(session)).findings]

    async def contradicted(self) -> list[tuple[str, str]]:
        """What the check against the heads finds."""
        async with self.database.transaction() as session:
            found = (await heads_hold(session, self.file)).findings
        return [(finding.subject_id, finding.problem) for finding in found]


def tamper(owner_url: str, *statements: str) -> None:
    """What the owner of the database does, past all triggers."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        for statement in statements:
            owner.execute(statement.encode())


def seal_anew(register: str) -> str:
    """Compute a register's chain anew, as its owner can."""
    return f"""
    DO $$
    DECLARE one record; prev bytea := '\\x00';
    BEGIN
      FOR one IN SELECT * FROM register_seal WHERE register = '{register}' ORDER BY from_id LOOP
        UPDATE register_seal SET prev_hash = prev, hash = sublet_register_hash(register, prev, one.from_id, one.to_id)
         WHERE register = '{register}' AND from_id = one.from_id RETURNING hash INTO prev;
      END LOOP;
    END $$
    """
