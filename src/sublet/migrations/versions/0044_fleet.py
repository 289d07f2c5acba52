"""Fleet: a control principal of its own for each node, and nodes that operators have removed."""

from sublet.migrations.script import execute_script

revision = "0044_fleet"
down_revision = "0043_catalog"

NODES = """
-- Whether the node lets in certificates for its own control principal alone; false for one that joined before there was
-- such a thing, until it has answered that it does.
ALTER TABLE node ADD COLUMN own_principal boolean NOT NULL DEFAULT false;

-- A node that was added by mistake and never came to anything, or has left: its history stays, its name and its address
-- are free again.
ALTER TABLE node ADD COLUMN removed_at timestamptz,
  ADD CONSTRAINT node_removed_check
    CHECK (removed_at IS NULL OR (state IN ('enrolling', 'offline') AND host_public_key IS NULL)) NOT VALID;
ALTER TABLE node VALIDATE CONSTRAINT node_removed_check;
CREATE UNIQUE INDEX node_name_present ON node (name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX node_place_present ON node (address, port) WHERE state <> 'retired' AND removed_at IS NULL;
ALTER TABLE node DROP CONSTRAINT node_name_key;
DROP INDEX node_address_port_key;
"""


def upgrade() -> None:
    """Add the columns; what is unique is so among the nodes that are there."""
    execute_script(NODES)
