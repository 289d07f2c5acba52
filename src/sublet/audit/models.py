"""The audit trail's table."""

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import Xid8, metadata

audit_event = Table(
    "audit_event",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    Column("xid", Xid8, nullable=False),
    Column("id", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_user_id", Text),
    Column("actor_name", Text, nullable=False),
    Column("actor_role", Text),
    Column("actor_platform_roles", ARRAY(Text), nullable=False),
    Column("organization_id", Text),
    Column("session_id", Text),
    Column("token_id", Text),
    Column("request_id", Text),
    Column("address", Text),
    Column("action", Text, nullable=False),
    Column("target_type", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB(none_as_null=True)),
)
