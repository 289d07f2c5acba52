"""The findings' tables. A trigger alone writes the history."""

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
    Column("owner_id", Text),
    Column("owner_name", Text),
    Column("assigned_by", Text),
    Column("settled_by", Text),
    Column("resolution", Text),
)

finding_history = Table(
    "finding_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("finding_id", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("by_name", Text),
    Column("note", Text),
    Column("at", DateTime(timezone=True), nullable=False),
)
