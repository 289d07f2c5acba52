"""The allocations' tables."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import metadata

allocation = Table(
    "allocation",
    metadata,
    Column("seq", BigInteger),
    Column("id", Text, primary_key=True),
    Column("organization_id", Text),
    Column("launched_by", Text),
    Column("name", Text),
    Column("state", Text),
    Column("state_since", DateTime(timezone=True)),
    Column("wanted", Text),
    Column("suspended_for", Text),
    Column("generation", BigInteger),
    Column("applied_generation", BigInteger),
    Column("disconnect_generation", BigInteger),
    Column("applied_at", DateTime(timezone=True)),
    Column("on_node", Boolean),
    Column("unproven", Boolean),
    Column("sku_id", Text),
    Column("price_id", Text),
    Column("sku", JSONB),
    Column("price", JSONB),
    Column("nano_per_hour", BigInteger),
    Column("suspended_nano_per_hour", BigInteger),
    Column("currency", Text),
    Column("hold_id", BigInteger),
    Column("node_id", Text),
    Column("gpus", ARRAY(Text)),
    Column("login", Text),
    Column("uid", Integer),
    Column("boot_id", Text),
    Column("seen_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True)),
    Column("started_at", DateTime(timezone=True)),
    Column("release_requested_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("failure", JSONB(none_as_null=True)),
    Column("enforced", JSONB),
    Column("evidence", JSONB(none_as_null=True)),
    Column("operation_id", Text),
    Column("lease_token", BigInteger),
    Column("lease_expires_at", DateTime(timezone=True)),
    Column("attempts", Integer),
    Column("next_attempt_at", DateTime(timezone=True)),
)

operation = Table(
    "allocation_operation",
    metadata,
    Column("seq", BigInteger),
    Column("id", Text, primary_key=True),
    Column("allocation_id", Text),
    Column("kind", Text),
    Column("state", Text),
    Column("attempts", Integer),
    Column("error", JSONB(none_as_null=True)),
    Column("steps", JSONB),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
)

history = Table(
    "allocation_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("allocation_id", Text),
    Column("from_state", Text),
    Column("to_state", Text),
    Column("reason", Text),
    Column("actor", Text),
    Column("at", DateTime(timezone=True)),
)
