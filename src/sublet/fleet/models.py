"""The fleet's tables."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import metadata

node = Table(
    "node",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text),
    Column("name", Text),
    Column("address", Text),
    Column("port", Integer),
    Column("labels", JSONB),
    Column("state", Text),
    Column("resumes_as", Text),
    Column("host_public_key", Text),
    Column("host_certificate_expires_at", DateTime(timezone=True)),
    Column("inventory", JSONB),
    Column("capabilities", JSONB),
    Column("limits_enforced", Boolean),
    Column("helper_version", Text),
    Column("boot_id", Text),
    Column("last_seen_at", DateTime(timezone=True)),
    Column("observed_at", DateTime(timezone=True)),
    Column("fresh_until", DateTime(timezone=True)),
    Column("disk_free_gib", BigInteger),
    Column("inodes_free", BigInteger),
    Column("enrolled_at", DateTime(timezone=True)),
    Column("verified_at", DateTime(timezone=True)),
    Column("failure", JSONB(none_as_null=True)),
    Column("strangers", JSONB),
    Column("trust_due_at", DateTime(timezone=True)),
    Column("lease_token", BigInteger),
    Column("lease_expires_at", DateTime(timezone=True)),
    Column("attempts", Integer),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True)),
)

node_history = Table(
    "node_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("node_id", Text),
    Column("from_state", Text),
    Column("to_state", Text),
    Column("reason", Text),
    Column("actor", Text),
    Column("at", DateTime(timezone=True)),
)

gpu = Table(
    "gpu",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("node_id", Text),
    Column("model", Text),
    Column("memory_mib", Integer),
    Column("state", Text),
    Column("seen_at", DateTime(timezone=True)),
)

join_token = Table(
    "join_token",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("node_id", Text),
    Column("created_by", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
    Column("used_at", DateTime(timezone=True)),
    Column("host_public_key", Text),
)

ssh_ca_key = Table(
    "ssh_ca_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text),
    Column("slot", Text),
    Column("public_key", Text),
    Column("sealed_private_key", LargeBinary),
    Column("created_at", DateTime(timezone=True)),
)

issued_certificate = Table(
    "issued_certificate",
    metadata,
    Column("serial", BigInteger, primary_key=True),
    Column("kind", Text),
    Column("ca_public_key", Text),
    Column("key_id", Text),
    Column("principals", ARRAY(Text)),
    Column("fingerprint", Text),
    Column("subject", Text),
    Column("user_id", Text),
    Column("request_id", Text),
    Column("valid_after", DateTime(timezone=True)),
    Column("valid_before", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("revocation_reason", Text),
)
