"""The ledger's tables, as far as statements are built from them; private to the domain. Only SQL functions write."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Table, Text

from sublet.core.db import metadata

SCHEMA = "ledger"

wallet = Table(
    "wallet",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("owner_id", Text),
    Column("currency", Text),
    schema=SCHEMA,
)

hold = Table(
    "hold",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("wallet_id", BigInteger),
    Column("subject_id", Text),
    Column("amount", BigInteger),
    Column("captured", BigInteger),
    Column("released", BigInteger),
    Column("closed", Boolean),
    schema=SCHEMA,
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("kind", Text),
    Column("description", Text),
    Column("source_type", Text),
    Column("source_id", Text),
    Column("effective_at", DateTime(timezone=True)),
    Column("recorded_at", DateTime(timezone=True)),
    schema=SCHEMA,
)
