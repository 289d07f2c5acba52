"""Identity: which terms people accepted, when, and from where."""

from sublet.migrations.script import execute_script

revision = "0074_identity"
down_revision = "0073_billing"

TABLES = """
-- Who is not in here for the terms in force has not accepted them, as people whom an operator made.
CREATE TABLE terms_acceptance (
  seq         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  user_id     text NOT NULL REFERENCES user_account,
  url         text NOT NULL,
  version     text NOT NULL,
  occasion    text NOT NULL CHECK (occasion IN ('sign_up', 'sign_in')),
  address     text,
  user_agent  text,
  accepted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (user_id, url, version)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON terms_acceptance
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
-- When it was is the database's to say.
GRANT SELECT, INSERT (user_id, url, version, occasion, address, user_agent) ON terms_acceptance TO sublet_app;
"""


def upgrade() -> None:
    """Nobody has accepted anything yet."""
    execute_script(TABLES)
