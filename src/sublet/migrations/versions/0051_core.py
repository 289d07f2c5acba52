"""Core: the key that what leaves the database is signed with."""

from sublet.migrations.script import execute_script

revision = "0051_core"
down_revision = "0050_ledger"

TABLES = """
-- One for the installation. Its private half is encrypted; whoever owns the database cannot sign.
CREATE TABLE signing_key (
  id                    text PRIMARY KEY,
  public_key            bytea NOT NULL CHECK (octet_length(public_key) = 32),
  encrypted_private_key bytea NOT NULL,
  made_at               timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX signing_key_only ON signing_key ((true));
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON signing_key
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT ON signing_key TO sublet_app;
"""


def upgrade() -> None:
    """Make room for the key; the first process that signs makes it."""
    execute_script(TABLES)
