"""Billing: spending limits of organizations, and what they suspended."""

from sublet.migrations.script import execute_script

revision = "0067_billing"
down_revision = "0066_scheduling"

LIMITS = """
-- What an organization lets itself spend at most: in a day or a month of the books' time zone, or on one subject in
-- all. `told_percent` and `reached_at` are of the period that began at `period_start`.
CREATE TABLE spending_limit (
  seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id text NOT NULL,
  currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  scope           text NOT NULL CHECK (scope IN ('day', 'month', 'allocation')),
  subject_id      text,
  amount          bigint NOT NULL CHECK (amount > 0),
  set_by          text NOT NULL,
  set_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  period_start    timestamptz,
  told_percent    smallint NOT NULL DEFAULT 0 CHECK (told_percent IN (0, 50, 80, 100)),
  reached_at      timestamptz,
  CHECK ((scope = 'allocation') = (subject_id IS NOT NULL)),
  UNIQUE NULLS NOT DISTINCT (organization_id, currency, scope, subject_id)
);
CREATE UNIQUE INDEX spending_limit_subject ON spending_limit (subject_id) WHERE subject_id IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON spending_limit TO sublet_app;

ALTER TABLE meter ADD COLUMN over_limit boolean NOT NULL DEFAULT false;
CREATE INDEX meter_lived ON meter (organization_id, currency, (coalesce(stopped_at, 'infinity'::timestamptz)));
CREATE INDEX meter_over_limit ON meter (organization_id, currency) WHERE over_limit AND stopped_at IS NULL;
"""


def upgrade() -> None:
    """Add spending limits."""
    execute_script(LIMITS)
