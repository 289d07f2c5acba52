"""Roles, the outbox, idempotency keys, leases, periodic ticks and the job queue's own schema."""

from alembic import op
from procrastinate.schema import SchemaManager

from sublet.migrations.script import execute_script

revision = "0001_core"
down_revision = None

ROLES = """
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sublet_app') THEN
    CREATE ROLE sublet_app NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sublet_ledger') THEN
    CREATE ROLE sublet_ledger NOLOGIN;
  END IF;
EXCEPTION
  WHEN unique_violation OR duplicate_object THEN NULL;  -- another database of the cluster made them just now
END $$;
-- Whoever migrates must be able to hand tables to the ledger's role and to act as the application.
DO $$ BEGIN EXECUTE format('GRANT sublet_app, sublet_ledger TO %I', current_user); END $$;
GRANT USAGE ON SCHEMA public TO sublet_app;
"""

TABLES = """
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE FUNCTION sublet_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

-- Guards a table's column `state`: a row begins in the state that the trigger names, and moves only along the arrows in
-- TABLE_transition.
CREATE FUNCTION sublet_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  listed boolean;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> TG_ARGV[0] THEN
      RAISE EXCEPTION 'a row of % begins %, not %', TG_TABLE_NAME, TG_ARGV[0], NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_transition';
    END IF;
  ELSIF NEW.state <> OLD.state THEN
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE from_state = $1 AND to_state = $2)',
                   TG_TABLE_NAME || '_transition')
       INTO listed USING OLD.state, NEW.state;
    IF NOT listed THEN
      RAISE EXCEPTION 'a row of % cannot go from % to %', TG_TABLE_NAME, OLD.state, NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_transition';
    END IF;
  END IF;
  RETURN NEW;
END $$;

CREATE SEQUENCE lease_token;
GRANT USAGE ON SEQUENCE lease_token TO sublet_app;

-- The transaction's id is drawn before the row's, so that below the oldest running transaction no range of ids gains a
-- row any more and can be sealed; neither can be given by who inserts.
CREATE SEQUENCE outbox_event_id;
CREATE TABLE outbox_event (
  id              bigint PRIMARY KEY
                  DEFAULT CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('outbox_event_id') END,
  xid             xid8 NOT NULL DEFAULT pg_current_xact_id(),
  event_id        text NOT NULL UNIQUE,
  type            text NOT NULL,
  subject         text NOT NULL,
  organization_id text,
  data            jsonb NOT NULL,
  occurred_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outbox_event_stream ON outbox_event (xid, id);
CREATE INDEX outbox_event_organization ON outbox_event (organization_id, xid, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON outbox_event
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
ALTER SEQUENCE outbox_event_id OWNED BY outbox_event.id;

CREATE TABLE outbox_cursor (
  subscriber text PRIMARY KEY,
  xid        xid8 NOT NULL,
  id         bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON outbox_cursor TO sublet_app;

CREATE TABLE outbox_failure (
  subscriber text NOT NULL,
  event_id   text NOT NULL,
  event_type text NOT NULL,
  subject    text NOT NULL,
  xid        xid8 NOT NULL,
  id         bigint NOT NULL,
  attempts   integer NOT NULL CHECK (attempts >= 0),  -- 0: has not had its turn, behind an earlier one of its subject
  last_error text CHECK ((last_error IS NULL) = (attempts = 0)),
  parked     boolean NOT NULL DEFAULT false,
  failed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (subscriber, event_id)
);
CREATE INDEX outbox_failure_waiting ON outbox_failure (subscriber, subject, xid, id) WHERE NOT parked;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_failure TO sublet_app;

CREATE TABLE idempotency_key (
  actor        text NOT NULL,
  key          text NOT NULL,
  request_hash bytea NOT NULL,
  status       smallint,
  body         bytea,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (actor, key),
  CHECK ((status IS NULL) = (body IS NULL))
);
CREATE INDEX idempotency_key_age ON idempotency_key (created_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO sublet_app;

CREATE TABLE periodic_tick (
  name             text PRIMARY KEY,
  due_at           timestamptz NOT NULL DEFAULT '-infinity',
  last_at          timestamptz,
  lease_token      bigint,
  lease_expires_at timestamptz
);
GRANT SELECT, INSERT, UPDATE ON periodic_tick TO sublet_app;
"""

JOB_GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO sublet_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO sublet_app;
REVOKE INSERT, UPDATE, DELETE ON outbox_event FROM sublet_app;
GRANT INSERT (event_id, type, subject, organization_id, data) ON outbox_event TO sublet_app;
REVOKE ALL ON alembic_version FROM sublet_app;
GRANT SELECT ON alembic_version TO sublet_app;
"""


def upgrade() -> None:
    """Create what the core needs."""
    op.execute(ROLES)
    # The queue's schema comes from the library, whose release is pinned; a later release brings its own steps.
    execute_script(SchemaManager.get_schema())
    op.execute(TABLES)
    op.execute(JOB_GRANTS)
