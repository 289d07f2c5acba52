"""Notifications: what each person was told, and what they do not want to be told."""

from sublet.migrations.script import execute_script

revision = "0056_notifications"
down_revision = "0055_billing"

TABLES = """
-- One row for each notice and recipient. Its words are written once: what is read in the inbox and mailed are the same,
-- and a mail that is sent again says what it said. `cause` is the event that it was made from.
CREATE TABLE notice (
  seq                bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id                 text PRIMARY KEY,
  user_id            text NOT NULL REFERENCES user_account,
  organization_id    text REFERENCES organization,
  kind               text NOT NULL CHECK (kind ~ '^[a-z_]+([.][a-z_]+)*$'),
  cause              text NOT NULL,
  title              text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
  sentences          text[] NOT NULL CHECK (cardinality(sentences) >= 1),
  link               text NOT NULL CHECK (link ~ '^/[^/]' OR link = '/'),
  link_says          text NOT NULL,
  in_inbox           boolean NOT NULL,
  mail_wanted        boolean NOT NULL,
  created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  read_at            timestamptz,
  mailed_at          timestamptz,
  not_mailed_because text,
  CHECK (in_inbox OR mail_wanted),
  CHECK (mail_wanted OR (mailed_at IS NULL AND not_mailed_because IS NULL)),
  CHECK (mailed_at IS NULL OR not_mailed_because IS NULL)
);
CREATE UNIQUE INDEX notice_once ON notice (user_id, kind, cause);
CREATE INDEX notice_of ON notice (user_id, seq) WHERE in_inbox;
CREATE INDEX notice_unread ON notice (user_id, seq) WHERE in_inbox AND read_at IS NULL;
CREATE INDEX notice_about ON notice (organization_id);
CREATE INDEX notice_age ON notice (created_at);
GRANT SELECT, INSERT, DELETE, UPDATE (read_at, mailed_at, not_mailed_because) ON notice TO sublet_app;

-- What a person said of a kind of notice; without a row they are told.
CREATE TABLE notice_preference (
  user_id text NOT NULL REFERENCES user_account,
  kind    text NOT NULL CHECK (kind ~ '^[a-z_]+([.][a-z_]+)*$'),
  channel text NOT NULL CHECK (channel IN ('inbox', 'email')),
  wanted  boolean NOT NULL,
  set_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (user_id, kind, channel)
);
GRANT SELECT, INSERT, UPDATE (wanted, set_at) ON notice_preference TO sublet_app;
"""


def upgrade() -> None:
    """Create notices and preferences."""
    execute_script(TABLES)
