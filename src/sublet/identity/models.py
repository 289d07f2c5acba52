"""Identity's tables."""

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, LargeBinary, Table, Text

from sublet.core.db import metadata

user_account = Table(
    "user_account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text),
    Column("name", Text),
    Column("password_hash", Text),
    Column("platform_roles", ARRAY(Text)),
    Column("created_at", DateTime(timezone=True)),
    Column("disabled_at", DateTime(timezone=True)),
)

organization = Table(
    "organization",
    metadata,
    Column("seq", BigInteger),
    Column("id", Text, primary_key=True),
    Column("name", Text),
    Column("created_at", DateTime(timezone=True)),
)

membership = Table(
    "membership",
    metadata,
    Column("seq", BigInteger),
    Column("organization_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("role", Text),
    Column("created_at", DateTime(timezone=True)),
)

user_session = Table(
    "user_session",
    metadata,
    Column("seq", BigInteger),
    Column("id", Text, primary_key=True),
    Column("user_id", Text),
    Column("organization_id", Text),
    Column("secret_hash", LargeBinary),
    Column("created_at", DateTime(timezone=True)),
    Column("last_seen_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("address", Text),
    Column("user_agent", Text),
)

api_token = Table(
    "api_token",
    metadata,
    Column("seq", BigInteger),
    Column("id", Text, primary_key=True),
    Column("user_id", Text),
    Column("organization_id", Text),
    Column("name", Text),
    Column("secret_hash", LargeBinary),
    Column("scopes", ARRAY(Text)),
    Column("created_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("idempotency_key", Text),
    Column("request_hash", LargeBinary),
)

ssh_key = Table(
    "ssh_key",
    metadata,
    Column("seq", BigInteger),
    Column("id", Text, primary_key=True),
    Column("user_id", Text),
    Column("name", Text),
    Column("public_key", Text),
    Column("fingerprint", Text),
    Column("created_at", DateTime(timezone=True)),
)
