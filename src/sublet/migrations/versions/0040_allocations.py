"""Allocations: ports of nodes that lead to them."""

from sublet.migrations.script import execute_script

revision = "0040_allocations"
down_revision = "0039_fleet"

PORTS = """
CREATE TABLE published_port_transition (
  from_state text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO published_port_transition (from_state, to_state) VALUES
  ('opening', 'open'), ('opening', 'closed'), ('opening', 'refused'), ('opening', 'closing'), ('opening', 'gone'),
  ('open', 'closed'), ('open', 'refused'), ('open', 'closing'), ('open', 'gone'),
  ('closed', 'open'), ('closed', 'refused'), ('closed', 'closing'), ('closed', 'gone'),
  ('refused', 'open'), ('refused', 'closed'), ('refused', 'closing'), ('refused', 'gone'),
  ('closing', 'gone');
GRANT SELECT ON published_port_transition TO sublet_app;

-- A port of the node is held until it is proven that it leads nowhere any more. Rows are kept: who had a port of a node
-- at some time is asked long afterwards. `refusal` is the node's word for why it does not lead there.
CREATE TABLE published_port (
  seq           bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id            text PRIMARY KEY,
  allocation_id text NOT NULL REFERENCES allocation,
  node_id       text NOT NULL REFERENCES node,
  protocol      text NOT NULL CHECK (protocol IN ('tcp', 'udp')),
  port          integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
  node_port     integer NOT NULL CHECK (node_port BETWEEN 1024 AND 65535),
  slot          smallint NOT NULL CHECK (slot BETWEEN 1 AND 16),
  state         text NOT NULL DEFAULT 'opening'
                CHECK (state IN ('opening', 'open', 'closed', 'refused', 'closing', 'gone')),
  refusal       text,
  published_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  gone_at       timestamptz,
  CHECK ((state = 'gone') = (gone_at IS NOT NULL)),
  CHECK ((state = 'refused') = (refusal IS NOT NULL))
);
CREATE UNIQUE INDEX published_port_of_node ON published_port (node_id, protocol, node_port) WHERE state <> 'gone';
CREATE UNIQUE INDEX published_port_once ON published_port (allocation_id, protocol, port) WHERE state <> 'gone';
CREATE UNIQUE INDEX published_port_slot ON published_port (allocation_id, slot) WHERE state <> 'gone';
CREATE INDEX published_port_allocation ON published_port (allocation_id, seq);
CREATE INDEX published_port_used ON published_port (node_id, protocol, node_port, seq);
GRANT SELECT, INSERT, UPDATE ON published_port TO sublet_app;

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON published_port FOR EACH ROW
  EXECUTE FUNCTION sublet_moves('opening');
CREATE TRIGGER published_as
  BEFORE UPDATE OF id, allocation_id, node_id, protocol, port, node_port, slot, published_at ON published_port
  FOR EACH ROW EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON published_port
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
"""


def upgrade() -> None:
    """Create published ports."""
    execute_script(PORTS)
