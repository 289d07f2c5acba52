"""Catalog: how long what is suspended keeps its claim, and what it costs after that."""

from sublet.migrations.script import execute_script

revision = "0078_catalog"
down_revision = "0077_billing"

TERMS = """
-- Until now what was suspended kept its claim always, and a price asked for that: so its versions say. Who adds a
-- version from now on has to say it.
ALTER TABLE price
  ADD COLUMN suspended_claim text NOT NULL DEFAULT 'always',
  ADD COLUMN suspended_claim_hours integer,
  -- What an hour costs once the claim is gone and the disk alone is kept; null where that never comes.
  ADD COLUMN disk_nano_per_hour bigint,
  ADD CONSTRAINT price_suspended_claim CHECK (suspended_claim IN ('none', 'hours', 'always')),
  ADD CONSTRAINT price_suspended_claim_hours CHECK (
    (suspended_claim = 'hours') = (suspended_claim_hours IS NOT NULL) AND suspended_claim_hours BETWEEN 1 AND 8760),
  ADD CONSTRAINT price_disk CHECK (
    (suspended_claim = 'always') = (disk_nano_per_hour IS NULL)
    AND disk_nano_per_hour BETWEEN 0 AND suspended_nano_per_hour),
  -- Where no claim is kept there is no time in which a place is paid for.
  ADD CONSTRAINT price_without_claim CHECK (
    suspended_claim <> 'none' OR disk_nano_per_hour = suspended_nano_per_hour);
ALTER TABLE price ALTER COLUMN suspended_claim DROP DEFAULT;

CREATE OR REPLACE VIEW price_rate AS
  SELECT p.id, p.sku_id, p.currency, r.kind, r.nano_per_hour
    FROM price p,
         LATERAL (VALUES ('running', p.nano_per_hour), ('suspended', p.suspended_nano_per_hour),
                         ('disk', p.disk_nano_per_hour)) r(kind, nano_per_hour)
   WHERE r.nano_per_hour IS NOT NULL;
COMMENT ON VIEW price_rate IS
  'Published: what each price asks of an hour that is running, of one suspended, and of one of its disk alone.';
"""


def upgrade() -> None:
    """Let prices say it."""
    execute_script(TERMS)
