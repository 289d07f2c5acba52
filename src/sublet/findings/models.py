"""The findings' table."""

from sqlalchemy import BigInteger, Column, DateTime, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import metadata

finding = Table(
    "finding",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("id", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("amounts", JSONB, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True)),
)
