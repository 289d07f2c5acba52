"""The ledger's tables, as far as statements are built from them; private to the domain. Only SQL functions write."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ENUM

from sublet.core.db import metadata
from sublet.ledger.kinds import ENTRY_KINDS

SCHEMA = "ledger"

ENTRY_KIND = ENUM(*ENTRY_KINDS, name="entry_kind", schema=SCHEMA, create_type=False)

wallet = Table(
    "wallet",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("promo_id", BigInteger, nullable=False),
    Column("receivable_id", BigInteger, nullable=False),
    Column("owner_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    schema=SCHEMA,
)

hold = Table(
    "hold",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("wallet_id", BigInteger, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("captured", BigInteger, nullable=False),
    Column("released", BigInteger, nullable=False),
    Column("promo_rest", BigInteger, nullable=False),
    Column("events", Integer, nullable=False),
    Column("closed", Boolean, nullable=False),
    schema=SCHEMA,
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("kind", ENTRY_KIND, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("description", Text, nullable=False),
    Column("source_type", Text),
    Column("source_id", Text),
    Column("reverses_entry_id", BigInteger),
    Column("effective_at", DateTime(timezone=True), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    schema=SCHEMA,
)
