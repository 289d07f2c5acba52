"""Roles, the outbox, idempotency keys, and leased work."""

from alembic import op

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
GRANT USAGE ON SEQUENCE outbox_event_id TO sublet_app;
GRANT SELECT, INSERT (event_id, type, subject, organization_id, data) ON outbox_event TO sublet_app;

CREATE TABLE outbox_cursor (
  subscriber text PRIMARY KEY,
  xid        xid8 NOT NULL,
  id         bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON outbox_cursor TO sublet_app;

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
"""

WORK = """
-- What is to be done, by kind of work and the id of the row that it is about. What is done has no row here.
CREATE TABLE work (
  kind             text NOT NULL,
  id               text NOT NULL,
  number           bigint GENERATED ALWAYS AS IDENTITY,  -- the order in which rows came
  place            text NOT NULL DEFAULT '',             -- where it happens: each place has its own share of slots
  due_at           timestamptz NOT NULL,                 -- infinite while nobody has asked for it
  lease_token      bigint,
  lease_holder     bigint,
  lease_expires_at timestamptz,
  ready_at         timestamptz NOT NULL GENERATED ALWAYS AS (coalesce(lease_expires_at, due_at)) STORED,
  attempts         integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  crashes          integer NOT NULL DEFAULT 0 CHECK (crashes >= 0),  -- as many last crashes held the row, all of them
  last_crash       bigint,
  last_error       text,
  failed_at        timestamptz,
  set_aside_at     timestamptz,
  trace            text,
  PRIMARY KEY (kind, id),
  CHECK ((lease_expires_at IS NULL) = (lease_holder IS NULL)),
  CHECK (lease_expires_at IS NULL OR lease_token IS NOT NULL),
  CHECK (set_aside_at IS NULL OR (due_at = 'infinity' AND lease_expires_at IS NULL AND last_error IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX work_ready ON work (kind, ready_at);
CREATE INDEX work_place ON work (kind, place, number);
CREATE INDEX work_holder ON work (lease_holder) WHERE lease_holder IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON work TO sublet_app;

-- Workers that ended while they held rows, in the order in which that was noticed.
CREATE TABLE work_crash (
  number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  holder     bigint NOT NULL UNIQUE,
  noticed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT, DELETE ON work_crash TO sublet_app;

GRANT SELECT ON alembic_version TO sublet_app;
"""


def upgrade() -> None:
    """Create what the core needs."""
    op.execute(ROLES)
    op.execute(TABLES)
    op.execute(WORK)
