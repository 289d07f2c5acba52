"""Fleet: the ports that an operator gives to customers, on each node."""

from sublet.migrations.script import execute_script

revision = "0039_fleet"
down_revision = "0038_allocations"

RANGE = """
ALTER TABLE node
  -- Ports of the node that lead to allocations, as their customers publish them; NULL: none.
  ADD COLUMN first_port integer,
  ADD COLUMN last_port  integer,
  ADD CONSTRAINT node_ports CHECK (
    (first_port IS NULL) = (last_port IS NULL)
    AND first_port >= 1024 AND first_port <= last_port AND last_port <= 65535
    AND port NOT BETWEEN first_port AND last_port
  );

CREATE VIEW node_ports AS
  SELECT id AS node_id, first_port, last_port,
         capabilities @> '[{"name": "published_ports", "enforced": true}]' AS leads_ports
    FROM node;
COMMENT ON VIEW node_ports IS 'Published: by which of its ports each node can lead somebody to an allocation.';
GRANT SELECT ON node_ports TO sublet_app;
"""


def upgrade() -> None:
    """Keep the range, and publish it."""
    execute_script(RANGE)
