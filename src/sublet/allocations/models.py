"""The allocations' tables."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, Integer, LargeBinary, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import metadata

allocation = Table(
    "allocation",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("launched_by", Text),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_since", DateTime(timezone=True), nullable=False),
    Column("wanted", Text, nullable=False),
    Column("suspended_for", Text),
    Column("generation", BigInteger, nullable=False),
    Column("applied_generation", BigInteger, nullable=False),
    Column("disconnect_generation", BigInteger, nullable=False),
    Column("applied_at", DateTime(timezone=True)),
    Column("on_node", Boolean, nullable=False),
    Column("unproven", Boolean, nullable=False),
    Column("sku_id", Text, nullable=False),
    Column("price_id", Text, nullable=False),
    Column("sku", JSONB, nullable=False),
    Column("price", JSONB, nullable=False),
    Column("nano_per_hour", BigInteger, nullable=False),
    Column("suspended_nano_per_hour", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("hold_id", BigInteger, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("gpus", ARRAY(Text), nullable=False),
    Column("login", Text, nullable=False),
    Column("uid", Integer, nullable=False),
    Column("boot_id", Text),
    Column("seen_at", DateTime(timezone=True)),
    Column("oom_kills", BigInteger),
    Column("oom_boot_id", Text),
    Column("told_boot_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("release_requested_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("failure", JSONB(none_as_null=True)),
    Column("enforced", JSONB, nullable=False),
    Column("evidence", JSONB(none_as_null=True)),
    Column("operation_id", Text),
    Column("claim_kept_until", DateTime(timezone=True)),
    Column("claim_ended_at", DateTime(timezone=True)),
    Column("claim_end_told", Boolean, nullable=False),
    Column("waits_since", DateTime(timezone=True)),
    Column("disk_nano_per_hour", BigInteger),
)

traffic = Table(
    "allocation_traffic",
    metadata,
    Column("allocation_id", Text, primary_key=True),
    Column("in_bytes", BigInteger, nullable=False),
    Column("out_bytes", BigInteger, nullable=False),
    Column("link_in_bytes", BigInteger, nullable=False),
    Column("link_out_bytes", BigInteger, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)

operation = Table(
    "allocation_operation",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("id", Text, primary_key=True),
    Column("allocation_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", JSONB(none_as_null=True)),
    Column("operator_error", JSONB(none_as_null=True)),
    Column("steps", JSONB, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
)

history = Table(
    "allocation_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("allocation_id", Text, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("incident", Text),
    Column("code", Text),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

published_port = Table(
    "published_port",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("id", Text, primary_key=True),
    Column("allocation_id", Text, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("node_port", Integer, nullable=False),
    Column("slot", SmallInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("refusal", Text),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Column("gone_at", DateTime(timezone=True)),
)

remnant = Table(
    "allocation_remnant",
    metadata,
    Column("id", Text, primary_key=True),
    Column("allocation_id", Text, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("uid", Integer, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("left_at", DateTime(timezone=True), nullable=False),
    Column("evidence", JSONB(none_as_null=True)),
    Column("cleaned_at", DateTime(timezone=True)),
)

label = Table(
    "allocation_label",
    metadata,
    Column("allocation_id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

environment = Table(
    "allocation_environment",
    metadata,
    Column("allocation_id", Text, primary_key=True),
    Column("names", ARRAY(Text), nullable=False),
    Column("encrypted", LargeBinary),
)

startup = Table(
    "allocation_startup",
    metadata,
    Column("allocation_id", Text, primary_key=True),
    Column("script_bytes", Integer, nullable=False),
    Column("encrypted", LargeBinary),
    Column("began_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("ended_by", Text),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("detail", Text),
    Column("output", Text, nullable=False),
    Column("output_bytes", BigInteger, nullable=False),
    Column("seen_at", DateTime(timezone=True)),
)
