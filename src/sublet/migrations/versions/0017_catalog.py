"""Catalog: the rates of prices, for the floors above to read."""

from sublet.migrations.script import execute_script

revision = "0017_catalog"
down_revision = "0016_payments"

VIEWS = """
CREATE VIEW price_rate AS
  SELECT p.id, p.sku_id, p.currency, r.kind, r.nano_per_hour
    FROM price p,
         LATERAL (VALUES ('running', p.nano_per_hour), ('suspended', p.suspended_nano_per_hour)) r(kind, nano_per_hour);
COMMENT ON VIEW price_rate IS 'Published: what each price asks of an hour that is running, and of one suspended.';
GRANT SELECT ON price_rate TO sublet_app;
"""


def upgrade() -> None:
    """Publish the rates."""
    execute_script(VIEWS)
