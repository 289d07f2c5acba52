"""Allocations: what they are launched with. Labels, variables, and a script that runs once."""

from sublet.migrations.script import execute_script

revision = "0033_allocations"
down_revision = "0032_payments"

LABELS = """
CREATE TABLE allocation_label (
  allocation_id   text NOT NULL REFERENCES allocation,
  organization_id text NOT NULL REFERENCES organization,
  key             text NOT NULL CHECK (length(key) BETWEEN 1 AND 63),
  value           text NOT NULL CHECK (length(value) <= 128),
  PRIMARY KEY (allocation_id, key)
);
-- The list of an organization's allocations with a label; each is in it once.
CREATE INDEX allocation_label_of_organization ON allocation_label (organization_id, key, value, allocation_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON allocation_label TO sublet_app;
"""

ENVIRONMENT = """
CREATE TABLE allocation_environment (
  allocation_id text PRIMARY KEY REFERENCES allocation,
  names         text[] NOT NULL,
  -- Null once the allocation has ended: nobody needs the values any more.
  encrypted     bytea
);
GRANT SELECT, INSERT, UPDATE ON allocation_environment TO sublet_app;
"""

STARTUP = """
CREATE TABLE allocation_startup (
  allocation_id text PRIMARY KEY REFERENCES allocation,
  script_bytes  integer NOT NULL CHECK (script_bytes BETWEEN 1 AND 65536),
  -- Null once the node has it and has run it, or the allocation has ended.
  encrypted     bytea,
  began_at      timestamptz,
  ended_at      timestamptz,
  ended_by      text CHECK (ended_by IN
                  ('exit', 'signal', 'suspended', 'interrupted', 'refused', 'released')),
  exit_code     integer,
  signal        integer,
  detail        text,
  output        text NOT NULL DEFAULT '' CHECK (length(output) <= 65536),
  output_bytes  bigint NOT NULL DEFAULT 0 CHECK (output_bytes >= 0),
  seen_at       timestamptz,
  CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
  CHECK ((exit_code IS NOT NULL) = (coalesce(ended_by, '') = 'exit'))
);
-- Which output may be forgotten.
CREATE INDEX allocation_startup_output ON allocation_startup (ended_at) WHERE output <> '';
GRANT SELECT, INSERT, UPDATE ON allocation_startup TO sublet_app;
"""


def upgrade() -> None:
    """Add the three."""
    for script in (LABELS, ENVIRONMENT, STARTUP):
        execute_script(script)
