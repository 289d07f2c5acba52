"""The catalog's tables."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import metadata

sku = Table(
    "sku",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("id", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("vcpu", Integer, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("disk_gib", Integer, nullable=False),
    Column("gpu_model", Text),
    Column("gpu_count", Integer, nullable=False),
    Column("network_mbit", Integer),
    Column("node_labels", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("whole_node", Boolean, nullable=False),
    Column("node_network", Boolean, nullable=False),
)

price = Table(
    "price",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("id", Text, primary_key=True),
    Column("sku_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("nano_per_hour", BigInteger, nullable=False),
    Column("suspended_nano_per_hour", BigInteger, nullable=False),
    Column("effective_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("suspended_claim", Text, nullable=False),
    Column("suspended_claim_hours", Integer),
    Column("disk_nano_per_hour", BigInteger),
)
