"""Allocations: their states with a table of the changes allowed, their history, and the operations on them."""

from sublet.migrations.script import execute_script

revision = "0010_allocations"
down_revision = "0009_payments"

TABLES = """
CREATE TABLE allocation_transition (
  from_state text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO allocation_transition (from_state, to_state) VALUES
  ('queued', 'provisioning'), ('queued', 'released'), ('queued', 'failed'),
  ('provisioning', 'active'), ('provisioning', 'releasing'), ('provisioning', 'failed'),
  ('active', 'suspended'), ('active', 'releasing'), ('active', 'lost'),
  ('suspended', 'active'), ('suspended', 'releasing'), ('suspended', 'lost'),
  ('lost', 'active'), ('lost', 'suspended'), ('lost', 'releasing'),
  ('releasing', 'released'), ('releasing', 'release_failed'),
  ('release_failed', 'released');
GRANT SELECT ON allocation_transition TO sublet_app;

-- `generation` grows with every change of what is wanted; the node refuses lower ones. `on_node` says that something
-- of the allocation may exist on its node: capacity is not free while it does. `unproven` says that nobody knows what
-- was delivered since it was last seen, so that this time is not billed. `disconnect_generation` is the latest
-- generation with which somebody lost access: the node ends connections that are older.
CREATE TABLE allocation (
  seq                  bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id                   text PRIMARY KEY,
  organization_id      text NOT NULL REFERENCES organization,
  launched_by          text REFERENCES user_account,
  name                 text NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{1,30}$'),
  state                text NOT NULL DEFAULT 'queued'
                       CHECK (state IN ('queued', 'provisioning', 'active', 'suspended', 'releasing', 'released',
                                        'failed', 'release_failed', 'lost')),
  state_since          timestamptz NOT NULL DEFAULT clock_timestamp(),
  wanted               text NOT NULL DEFAULT 'active' CHECK (wanted IN ('active', 'suspended', 'gone')),
  suspended_for        text CHECK (suspended_for IN ('customer', 'funds')),
  generation           bigint NOT NULL DEFAULT 1 CHECK (generation > 0),
  applied_generation   bigint NOT NULL DEFAULT 0 CHECK (applied_generation <= generation),
  disconnect_generation bigint NOT NULL DEFAULT 0 CHECK (disconnect_generation BETWEEN 0 AND generation),
  applied_at           timestamptz,
  on_node              boolean NOT NULL DEFAULT false,
  unproven             boolean NOT NULL DEFAULT false,
  sku_id               text NOT NULL REFERENCES sku,
  price_id             text NOT NULL REFERENCES price,
  sku                  jsonb NOT NULL,
  price                jsonb NOT NULL,
  nano_per_hour        bigint NOT NULL CHECK (nano_per_hour >= 0),
  suspended_nano_per_hour bigint NOT NULL CHECK (suspended_nano_per_hour >= 0),
  currency             text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  hold_id              bigint NOT NULL,
  node_id              text NOT NULL REFERENCES node,
  gpus                 text[] NOT NULL DEFAULT '{}',
  login                text NOT NULL UNIQUE,
  uid                  integer NOT NULL UNIQUE CHECK (uid >= 200000),
  boot_id              text,
  seen_at              timestamptz,
  created_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at           timestamptz,
  release_requested_at timestamptz,
  ended_at             timestamptz,
  failure              jsonb,
  enforced             jsonb NOT NULL DEFAULT '[]',
  evidence             jsonb,
  operation_id         text,
  CHECK ((ended_at IS NOT NULL) = (state IN ('released', 'failed'))),
  CHECK (state <> 'released' OR NOT on_node),
  CHECK (state NOT IN ('released', 'releasing', 'release_failed') OR release_requested_at IS NOT NULL),
  CHECK ((suspended_for IS NOT NULL) = (wanted = 'suspended'))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX allocation_name ON allocation (organization_id, name) WHERE ended_at IS NULL;
CREATE INDEX allocation_organization ON allocation (organization_id, seq);
CREATE INDEX allocation_node ON allocation (node_id) WHERE on_node;
CREATE INDEX allocation_state ON allocation (state, seq);
GRANT SELECT, INSERT, UPDATE ON allocation TO sublet_app;

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON allocation FOR EACH ROW
  EXECUTE FUNCTION sublet_moves('queued');
-- The generation only grows.
CREATE TRIGGER grows BEFORE UPDATE OF generation ON allocation FOR EACH ROW
  WHEN (NEW.generation < OLD.generation) EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON allocation
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();

-- What was fixed at the launch stays as it was sold.
CREATE TRIGGER launched_as BEFORE UPDATE OF id, organization_id, name, sku, price, currency, login, created_at
  ON allocation FOR EACH ROW EXECUTE FUNCTION sublet_refuse_change();

CREATE TABLE allocation_history (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  allocation_id text NOT NULL REFERENCES allocation,
  from_state    text,
  to_state      text NOT NULL,
  reason        text NOT NULL,
  actor         text NOT NULL,
  at            timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX allocation_history_allocation ON allocation_history (allocation_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON allocation_history
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT ON allocation_history TO sublet_app;

CREATE TABLE allocation_operation (
  seq           bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id            text PRIMARY KEY,
  allocation_id text NOT NULL REFERENCES allocation,
  kind          text NOT NULL CHECK (kind IN ('provision', 'release', 'suspend', 'resume')),
  state         text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled')),
  attempts      integer NOT NULL DEFAULT 0,
  error         jsonb,
  steps         jsonb NOT NULL,
  started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at   timestamptz,
  CHECK ((state = 'running') = (finished_at IS NULL))
);
CREATE UNIQUE INDEX allocation_operation_running ON allocation_operation (allocation_id) WHERE state = 'running';
CREATE INDEX allocation_operation_allocation ON allocation_operation (allocation_id, seq);
GRANT SELECT, INSERT, UPDATE ON allocation_operation TO sublet_app;
CREATE TRIGGER ended BEFORE UPDATE ON allocation_operation FOR EACH ROW WHEN (OLD.finished_at IS NOT NULL)
  EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON allocation_operation
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
ALTER TABLE allocation ADD FOREIGN KEY (operation_id) REFERENCES allocation_operation DEFERRABLE INITIALLY DEFERRED;
"""


def upgrade() -> None:
    """Create allocations."""
    execute_script(TABLES)
