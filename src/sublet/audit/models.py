"""The audit trail's table."""

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import metadata

audit_event = Table(
    "audit_event",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    Column("id", Text),
    Column("occurred_at", DateTime(timezone=True)),
    Column("actor_kind", Text),
    Column("actor_user_id", Text),
    Column("actor_name", Text),
    Column("actor_role", Text),
    Column("actor_platform_roles", ARRAY(Text)),
    Column("organization_id", Text),
    Column("session_id", Text),
    Column("token_id", Text),
    Column("request_id", Text),
    Column("address", Text),
    Column("action", Text),
    Column("target_type", Text),
    Column("target_id", Text),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB(none_as_null=True)),
)
