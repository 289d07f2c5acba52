"""Billing's tables, as far as statements are built from them; private to the domain."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, Table, Text

from sublet.core.db import metadata

meter = Table(
    "meter",
    metadata,
    Column("subject_id", Text, primary_key=True),
    Column("subject_name", Text),
    Column("meter_kind", Text, nullable=False),
    Column("sku_id", Text, nullable=False),
    Column("node_id", Text),
    Column("organization_id", Text, nullable=False),
    Column("hold_id", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("price_id", Text, nullable=False),
    Column("nano_per_hour", BigInteger, nullable=False),
    Column("suspended_nano_per_hour", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("observed_to", DateTime(timezone=True), nullable=False),
    Column("stopped_at", DateTime(timezone=True)),
    Column("settle_due_at", DateTime(timezone=True), nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("out_of_funds", Boolean, nullable=False),
    Column("over_limit", Boolean, nullable=False),
    Column("boot_id", Text),
    Column("seen_from", DateTime(timezone=True)),
    Column("seen_count", Integer, nullable=False),
    Column("disk_nano_per_hour", BigInteger),
    Column("suspended_until", DateTime(timezone=True)),
)

usage_record = Table(
    "usage_record",
    metadata,
    Column("subject_id", Text, primary_key=True),
    Column("period_start", DateTime(timezone=True), primary_key=True),
    Column("period_end", DateTime(timezone=True), nullable=False),
    Column("seconds", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("meter_kind", Text, nullable=False),
    Column("sku_id", Text, nullable=False),
    Column("node_id", Text),
    Column("evidence_at", DateTime(timezone=True), nullable=False),
    Column("boot_id", Text),
    Column("seen_from", DateTime(timezone=True)),
    Column("seen_count", Integer),
)

usage_charge = Table(
    "usage_charge",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("subject_id", Text, nullable=False),
    Column("period_start", DateTime(timezone=True), nullable=False),
    Column("meter_kind", Text, nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("price_id", Text, nullable=False),
    Column("nano_per_hour", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("ledger_entry_id", BigInteger),
    Column("charged_at", DateTime(timezone=True), nullable=False),
)
