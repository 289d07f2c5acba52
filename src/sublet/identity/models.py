"""Identity's tables."""

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, LargeBinary, Table, Text

from sublet.core.db import metadata

user_account = Table(
    "user_account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("platform_roles", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("disabled_at", DateTime(timezone=True)),
    Column("verified_email", Text),
    Column("verified_at", DateTime(timezone=True)),
)

email_verification = Table(
    "email_verification",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("secret_hashes", ARRAY(LargeBinary), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
)

terms_acceptance = Table(
    "terms_acceptance",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("user_id", Text, primary_key=True),
    Column("url", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("occasion", Text, nullable=False),
    Column("address", Text),
    Column("user_agent", Text),
    Column("accepted_at", DateTime(timezone=True), nullable=False),
)

organization = Table(
    "organization",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

membership = Table(
    "membership",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("organization_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

user_session = Table(
    "user_session",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("organization_id", Text),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("strength", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("confirmed_at", DateTime(timezone=True), nullable=False),
    Column("last_seen_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("address", Text),
    Column("user_agent", Text),
)

api_token = Table(
    "api_token",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("organization_id", Text),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("idempotency_key", Text),
    Column("request_hash", LargeBinary),
)

ssh_key = Table(
    "ssh_key",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
