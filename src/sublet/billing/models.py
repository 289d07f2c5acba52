"""Billing's tables, as far as statements are built from them; private to the domain."""

from sqlalchemy import BigInteger, Column, DateTime, Table, Text

from sublet.core.db import metadata

meter = Table(
    "meter",
    metadata,
    Column("subject_id", Text, primary_key=True),
    Column("subject_name", Text),
)

usage_record = Table(
    "usage_record",
    metadata,
    Column("subject_id", Text, primary_key=True),
    Column("period_start", DateTime(timezone=True), primary_key=True),
    Column("period_end", DateTime(timezone=True)),
    Column("seconds", BigInteger),
    Column("kind", Text),
    Column("evidence_at", DateTime(timezone=True)),
)

usage_charge = Table(
    "usage_charge",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("subject_id", Text),
    Column("period_start", DateTime(timezone=True)),
    Column("organization_id", Text),
    Column("currency", Text),
    Column("price_id", Text),
    Column("nano_per_hour", BigInteger),
    Column("amount", BigInteger),
    Column("ledger_entry_id", BigInteger),
)
