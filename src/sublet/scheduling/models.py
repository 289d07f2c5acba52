"""The table of scheduling that Python writes; PostgreSQL keeps the counts of what is left."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import TSTZRANGE

from sublet.core.db import metadata

claim = Table(
    "claim",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject_id", Text, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("sku_id", Text, nullable=False),
    Column("vcpu", Integer, nullable=False),
    Column("memory_mib", BigInteger, nullable=False),
    Column("disk_gib", BigInteger, nullable=False),
    Column("gpu_count", Integer, nullable=False),
    Column("during", TSTZRANGE, nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("blocked_at", DateTime(timezone=True)),
    Column("blocked_reason", Text),
    Column("whole_node", Boolean, nullable=False),
)
