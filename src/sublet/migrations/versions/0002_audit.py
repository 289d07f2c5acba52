"""Who did what: one append-only table."""

from sublet.migrations.script import execute_script

revision = "0002_audit"
down_revision = "0001_core"

TABLES = """
-- Transaction id before row id, as in the outbox, so that ranges can be sealed.
CREATE SEQUENCE audit_event_seq;
CREATE TABLE audit_event (
  seq                  bigint PRIMARY KEY
                       DEFAULT CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('audit_event_seq') END,
  xid                  xid8 NOT NULL DEFAULT pg_current_xact_id(),
  id                   text NOT NULL UNIQUE,
  occurred_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor_kind           text NOT NULL CHECK (actor_kind IN ('user', 'token', 'system', 'anonymous')),
  actor_user_id        text,
  actor_name           text NOT NULL,
  actor_role           text,
  actor_platform_roles text[] NOT NULL DEFAULT '{}',
  organization_id      text,
  session_id           text,
  token_id             text,
  request_id           text,
  address              text,
  action               text NOT NULL CHECK (action ~ '^[a-z_]+(\\.[a-z_]+)+$'),
  target_type          text NOT NULL CHECK (target_type ~ '^[a-z_]+$'),
  target_id            text NOT NULL,
  before               jsonb CHECK (jsonb_typeof(before) = 'object'),
  after                jsonb CHECK (jsonb_typeof(after) = 'object'),
  CHECK (actor_kind NOT IN ('user', 'token') OR actor_user_id IS NOT NULL)
);
CREATE INDEX audit_event_target ON audit_event (target_type, target_id, seq);
CREATE INDEX audit_event_target_id ON audit_event (target_id, seq);
CREATE INDEX audit_event_actor ON audit_event (actor_user_id, seq);
CREATE INDEX audit_event_action ON audit_event (action, seq);
CREATE INDEX audit_event_organization ON audit_event (organization_id, seq);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
ALTER SEQUENCE audit_event_seq OWNED BY audit_event.seq;
GRANT USAGE ON SEQUENCE audit_event_seq TO sublet_app;
GRANT SELECT, INSERT (id, actor_kind, actor_user_id, actor_name, actor_role, actor_platform_roles, organization_id,
                      session_id, token_id, request_id, address, action, target_type, target_id, before, after)
  ON audit_event TO sublet_app;
"""


def upgrade() -> None:
    """Create the audit trail."""
    execute_script(TABLES)
