"""The catalog's tables."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import metadata

sku = Table(
    "sku",
    metadata,
    Column("seq", BigInteger),
    Column("id", Text, primary_key=True),
    Column("code", Text),
    Column("name", Text),
    Column("vcpu", Integer),
    Column("memory_mib", Integer),
    Column("disk_gib", Integer),
    Column("gpu_model", Text),
    Column("gpu_count", Integer),
    Column("node_labels", JSONB),
    Column("active", Boolean),
    Column("created_at", DateTime(timezone=True)),
)

price = Table(
    "price",
    metadata,
    Column("seq", BigInteger),
    Column("id", Text, primary_key=True),
    Column("sku_id", Text),
    Column("currency", Text),
    Column("nano_per_hour", BigInteger),
    Column("suspended_nano_per_hour", BigInteger),
    Column("effective_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True)),
)
