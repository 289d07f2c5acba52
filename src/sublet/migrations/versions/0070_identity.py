"""Identity: which address a person has shown to be theirs, and the mails that ask them to."""

from sublet.migrations.script import execute_script

revision = "0070_identity"
down_revision = "0069_findings"

TABLES = """
-- Mail goes to `email` while it is `verified_email`: who changes the address has to show anew that it is theirs.
ALTER TABLE user_account
  ADD COLUMN verified_email text,
  ADD COLUMN verified_at    timestamptz,
  ADD CONSTRAINT user_account_verified_check CHECK ((verified_email IS NULL) = (verified_at IS NULL));

-- One for each time that somebody is asked. Each try to send the mail has a secret of its own; its hash is kept.
CREATE TABLE email_verification (
  id            text PRIMARY KEY,
  user_id       text NOT NULL REFERENCES user_account,
  email         text NOT NULL,
  secret_hashes bytea[] NOT NULL DEFAULT '{}',
  created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at    timestamptz NOT NULL,
  used_at       timestamptz,
  CHECK (expires_at > created_at)
);
CREATE INDEX email_verification_of ON email_verification (user_id, created_at);
CREATE INDEX email_verification_age ON email_verification (created_at);
GRANT SELECT, INSERT, DELETE, UPDATE (secret_hashes, used_at) ON email_verification TO sublet_app;
"""


def upgrade() -> None:
    """Nobody's address is verified yet."""
    execute_script(TABLES)
