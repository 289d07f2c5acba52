"""The fleet's tables."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import Xid8, metadata

node = Table(
    "node",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("resumes_as", Text, nullable=False),
    Column("host_public_key", Text),
    Column("host_certificate_expires_at", DateTime(timezone=True)),
    Column("inventory", JSONB),
    Column("capabilities", JSONB, nullable=False),
    Column("limits_enforced", Boolean),
    Column("helper_version", Text),
    Column("helper_sha256", Text),
    Column("helper_too_old", Boolean, nullable=False),
    Column("boot_id", Text),
    Column("last_seen_at", DateTime(timezone=True)),
    Column("observed_at", DateTime(timezone=True)),
    Column("fresh_until", DateTime(timezone=True), nullable=False),
    Column("disk_free_gib", BigInteger),
    Column("inodes_free", BigInteger),
    Column("enrolled_at", DateTime(timezone=True)),
    Column("verified_at", DateTime(timezone=True)),
    Column("failure", JSONB(none_as_null=True)),
    Column("strangers", JSONB, nullable=False),
    Column("unreadable", JSONB, nullable=False),
    Column("revocations_below", Xid8, nullable=False),
    Column("misses", Integer, nullable=False),
    Column("doors", Text),
    Column("entered_at", DateTime(timezone=True)),
    Column("entered_doors", Text),
    Column("no_entry", JSONB(none_as_null=True)),
    Column("gpu_trouble", JSONB(none_as_null=True)),
    Column("self_tested_at", DateTime(timezone=True)),
    Column("first_port", Integer),
    Column("last_port", Integer),
    Column("own_principal", Boolean, nullable=False),
    Column("removed_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

node_trial = Table(
    "node_trial",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("allocation_id", Text, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
)

node_self_test = Table(
    "node_self_test",
    metadata,
    Column("id", Text, primary_key=True),
    Column("node_id", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Column("passed", Boolean),
    Column("checks", JSONB, nullable=False),
)

node_drain = Table(
    "node_drain",
    metadata,
    Column("id", Text, primary_key=True),
    Column("node_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("begun_by", Text, nullable=False),
    Column("begun_at", DateTime(timezone=True), nullable=False),
    Column("deadline_at", DateTime(timezone=True), nullable=False),
    Column("credit_seconds", BigInteger, nullable=False),
    Column("due_told_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
)

node_history = Table(
    "node_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("node_id", Text, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

helper_rollout = Table(
    "helper_rollout",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("reason", Text),
    Column("started_by", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
)

helper_upgrade = Table(
    "helper_upgrade",
    metadata,
    Column("rollout_id", Text, primary_key=True),
    Column("node_id", Text, primary_key=True),
    Column("canary", Boolean, nullable=False),
    Column("from_version", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", Text),
    Column("ended_at", DateTime(timezone=True)),
)

gpu = Table(
    "gpu",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("node_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("quarantine_code", Text),
    Column("quarantine_reason", Text),
    Column("quarantined_at", DateTime(timezone=True)),
)

gpu_health = Table(
    "gpu_health",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("facts", JSONB, nullable=False),
    Column("findings", JSONB, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("record", BigInteger, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)

join_token = Table(
    "join_token",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("node_id", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Column("host_public_key", Text),
)

ssh_ca_key = Table(
    "ssh_ca_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("slot", Text, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("encrypted_private_key", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

issued_certificate = Table(
    "issued_certificate",
    metadata,
    Column("serial", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("ca_public_key", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("principals", ARRAY(Text), nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("user_id", Text),
    Column("request_id", Text),
    Column("valid_after", DateTime(timezone=True), nullable=False),
    Column("valid_before", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("revoked_in", Xid8),
    Column("revocation_reason", Text),
)
