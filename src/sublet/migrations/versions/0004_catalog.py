"""What is for sale, and its prices: append-only, effective-dated, never back-dated."""

from sublet.migrations.script import execute_script

revision = "0004_catalog"
down_revision = "0003_identity"

TABLES = """
CREATE TABLE sku (
  seq         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id          text PRIMARY KEY,
  code        text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$'),
  name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  vcpu        integer NOT NULL CHECK (vcpu >= 1),
  memory_mib  integer NOT NULL CHECK (memory_mib >= 1),
  disk_gib    integer NOT NULL CHECK (disk_gib >= 1),
  gpu_model   text CHECK (length(gpu_model) BETWEEN 1 AND 100),
  gpu_count   integer NOT NULL CHECK (gpu_count >= 0),
  node_labels jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(node_labels) = 'object'),
  active      boolean NOT NULL DEFAULT true,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (gpu_model IS NULL OR gpu_count > 0)
);
CREATE INDEX sku_active ON sku (seq) WHERE active;
GRANT SELECT, INSERT ON sku TO sublet_app;
GRANT UPDATE (name, active) ON sku TO sublet_app;

CREATE TABLE price (
  seq                     bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id                      text PRIMARY KEY,
  sku_id                  text NOT NULL REFERENCES sku,
  currency                text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  nano_per_hour           bigint NOT NULL CHECK (nano_per_hour >= 0),
  suspended_nano_per_hour bigint NOT NULL CHECK (suspended_nano_per_hour BETWEEN 0 AND nano_per_hour),
  effective_at            timestamptz NOT NULL,
  created_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (sku_id, currency, effective_at)
);
CREATE INDEX price_sku ON price (sku_id, seq);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON price
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();

-- What somebody paid for yesterday must not change today.
CREATE FUNCTION price_not_backdated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.effective_at < transaction_timestamp() THEN
    RAISE EXCEPTION 'a price cannot take effect in the past (%)', NEW.effective_at USING ERRCODE = 'check_violation';
  END IF;
  NEW.created_at := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER not_backdated BEFORE INSERT ON price FOR EACH ROW EXECUTE FUNCTION price_not_backdated();
GRANT SELECT, INSERT ON price TO sublet_app;
"""


def upgrade() -> None:
    """Create the catalog."""
    execute_script(TABLES)
