"""Meters and what they measured: segments, usage records, charges, unproven intervals, and the funds clock."""

from sublet.migrations.script import execute_script

revision = "0006_billing"
down_revision = "0005_ledger"

METERS = """
CREATE TABLE meter (
  subject_id              text PRIMARY KEY,
  subject_name            text,
  meter_kind              text NOT NULL CHECK (meter_kind IN ('compute', 'storage', 'reserved', 'egress')),
  sku_id                  text NOT NULL,
  node_id                 text,
  organization_id         text NOT NULL,
  hold_id                 bigint NOT NULL UNIQUE,
  currency                text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  price_id                text NOT NULL,
  nano_per_hour           bigint NOT NULL CHECK (nano_per_hour >= 0),
  suspended_nano_per_hour bigint NOT NULL CHECK (suspended_nano_per_hour >= 0),
  kind                    text NOT NULL DEFAULT 'running' CHECK (kind IN ('running', 'suspended')),
  started_at              timestamptz NOT NULL,
  observed_to             timestamptz NOT NULL,
  stopped_at              timestamptz,
  settle_due_at           timestamptz NOT NULL,
  settled                 boolean NOT NULL DEFAULT false,
  out_of_funds            boolean NOT NULL DEFAULT false,
  CHECK (observed_to >= started_at),
  CHECK (stopped_at >= started_at),
  CHECK (NOT settled OR stopped_at IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX meter_organization ON meter (organization_id, currency) WHERE NOT settled;
CREATE INDEX meter_settle_due ON meter (settle_due_at) WHERE stopped_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON meter TO sublet_app;

-- A stretch of time at one rate. It delivers whole seconds from its start; `metered_to` and `posted_to` are watermarks
-- of what was proven and of what was charged.
CREATE TABLE meter_segment (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject_id    text NOT NULL REFERENCES meter,
  period        tstzrange NOT NULL,
  kind          text NOT NULL CHECK (kind IN ('running', 'suspended')),
  price_id      text NOT NULL,
  nano_per_hour bigint NOT NULL CHECK (nano_per_hour >= 0),
  metered_to    timestamptz NOT NULL,
  posted_to     timestamptz NOT NULL,
  complete      boolean NOT NULL DEFAULT false,
  CHECK (NOT isempty(period) AND NOT lower_inf(period) AND lower_inc(period) AND NOT upper_inc(period)),
  CHECK (lower(period) <= posted_to AND posted_to <= metered_to AND metered_to <= upper(period)
         OR upper(period) IS NULL AND lower(period) <= posted_to AND posted_to <= metered_to),
  CHECK (mod(extract(epoch FROM metered_to - lower(period)), 1) = 0
         AND mod(extract(epoch FROM posted_to - lower(period)), 1) = 0),
  EXCLUDE USING gist (subject_id WITH =, period WITH &&)
) WITH (fillfactor = 70);
CREATE INDEX meter_segment_subject ON meter_segment (subject_id, id);
CREATE INDEX meter_segment_open ON meter_segment (subject_id) WHERE NOT complete;
GRANT SELECT, INSERT, UPDATE, DELETE ON meter_segment TO sublet_app;
"""

USAGE = """
-- What was measured: delivered and proven by an observation at `evidence_at` or later.
CREATE TABLE usage_record (
  subject_id   text NOT NULL REFERENCES meter,
  period_start timestamptz NOT NULL,
  period_end   timestamptz NOT NULL,
  seconds      bigint NOT NULL CHECK (seconds > 0),
  kind         text NOT NULL CHECK (kind IN ('running', 'suspended')),
  meter_kind   text NOT NULL CHECK (meter_kind IN ('compute', 'storage', 'reserved', 'egress')),
  sku_id       text NOT NULL,
  node_id      text,
  evidence_at  timestamptz NOT NULL CHECK (evidence_at >= period_end),
  PRIMARY KEY (subject_id, period_start),
  CHECK (period_end - period_start = make_interval(secs => seconds))
);

-- What was rated: one charge for each record, and the entry of the books that holds it (none for a charge of zero).
CREATE TABLE usage_charge (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject_id      text NOT NULL,
  period_start    timestamptz NOT NULL,
  meter_kind      text NOT NULL,
  organization_id text NOT NULL,
  currency        text NOT NULL,
  price_id        text NOT NULL,
  nano_per_hour   bigint NOT NULL,
  amount          bigint NOT NULL CHECK (amount >= 0),
  ledger_entry_id bigint,
  charged_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (subject_id, period_start),
  FOREIGN KEY (subject_id, period_start) REFERENCES usage_record,
  CHECK ((amount > 0) = (ledger_entry_id IS NOT NULL))
);
CREATE INDEX usage_charge_organization ON usage_charge (organization_id, id);
CREATE INDEX usage_charge_subject ON usage_charge (subject_id, id);
CREATE INDEX usage_charge_entry ON usage_charge (ledger_entry_id, organization_id);

-- Time that nobody can prove was delivered: never billed, and shown to operators.
CREATE TABLE unmetered_interval (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject_id  text NOT NULL REFERENCES meter,
  period      tstzrange NOT NULL CHECK (NOT isempty(period)),
  reason      text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  EXCLUDE USING gist (subject_id WITH =, period WITH &&)
);
CREATE INDEX unmetered_interval_recent ON unmetered_interval (recorded_at);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_record
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_charge
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON unmetered_interval
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT ON usage_record, usage_charge, unmetered_interval TO sublet_app;
"""

FUNDS = """
-- How far an organization's clock has run: each step is taken, and told, once.
CREATE TABLE funds_clock (
  organization_id text NOT NULL,
  currency        text NOT NULL,
  level           text NOT NULL CHECK (level IN ('72h', '24h', '1h', '10m', 'grace', 'suspended')),
  grace_ends_at   timestamptz,
  changed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (organization_id, currency),
  CHECK ((level = 'grace') = (grace_ends_at IS NOT NULL))
);
GRANT SELECT, INSERT, UPDATE, DELETE ON funds_clock TO sublet_app;
"""


def upgrade() -> None:
    """Create billing's tables."""
    execute_script(METERS)
    execute_script(USAGE)
    execute_script(FUNDS)
