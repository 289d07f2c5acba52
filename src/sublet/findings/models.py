"""The findings' table."""

from sqlalchemy import BigInteger, Column, DateTime, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import metadata

finding = Table(
    "finding",
    metadata,
    Column("seq", BigInteger),
    Column("id", Text, primary_key=True),
    Column("code", Text),
    Column("subject_type", Text),
    Column("subject_id", Text),
    Column("severity", Text),
    Column("amounts", JSONB),
    Column("detail", JSONB),
    Column("since", DateTime(timezone=True)),
    Column("seen_at", DateTime(timezone=True)),
    Column("until", DateTime(timezone=True)),
)
