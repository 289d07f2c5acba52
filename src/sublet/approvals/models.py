"""The tables of approvals."""

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import metadata

approval = Table(
    "approval",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("id", Text, primary_key=True),
    Column("act", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("permission", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_by_name", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("decided_by", Text),
    Column("decided_by_name", Text),
    Column("decided_at", DateTime(timezone=True)),
    Column("used_at", DateTime(timezone=True)),
)

approval_history = Table(
    "approval_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("approval_id", Text, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
