"""Payments: promotional money that operators give, and codes by which customers take it."""

from sublet.migrations.script import execute_script

revision = "0071_payments"
down_revision = "0070_identity"

TABLES = """
-- A gift of an operator to one organization. Without an approval it was within the month's budget.
CREATE TABLE credit_grant (
  id              text PRIMARY KEY,
  seq             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  organization_id text NOT NULL REFERENCES organization,
  amount          bigint NOT NULL CHECK (amount > 0),
  currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  reason          text NOT NULL,
  granted_by      text NOT NULL,
  granted_by_name text NOT NULL,
  approval_id     text UNIQUE REFERENCES approval,
  entry_id        bigint NOT NULL UNIQUE,
  expires_at      timestamptz,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX credit_grant_of_organization ON credit_grant (organization_id, seq DESC);
CREATE INDEX credit_grant_alone ON credit_grant (currency, created_at) WHERE approval_id IS NULL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_grant
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT ON credit_grant TO sublet_app;

-- A code that so many organizations may redeem, each once. What is given lasts `valid_days`; NULL: for ever.
CREATE TABLE promo_code (
  id              text PRIMARY KEY,
  seq             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  code            text NOT NULL UNIQUE CHECK (code ~ '^[A-Z0-9][A-Z0-9-]{6,38}[A-Z0-9]$'),
  amount          bigint NOT NULL CHECK (amount > 0),
  currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  most_uses       int NOT NULL CHECK (most_uses > 0),
  valid_days      int CHECK (valid_days > 0),
  expires_at      timestamptz NOT NULL,
  reason          text NOT NULL,
  made_by         text NOT NULL,
  made_by_name    text NOT NULL,
  approval_id     text UNIQUE REFERENCES approval,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at        timestamptz
);
CREATE INDEX promo_code_alone ON promo_code (currency, created_at) WHERE approval_id IS NULL;
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON promo_code
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT, UPDATE (ended_at) ON promo_code TO sublet_app;

CREATE FUNCTION promo_code_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'promo code % has ended, and stays so', OLD.id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER ends_once BEFORE UPDATE ON promo_code
  FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION promo_code_ends_once();

CREATE TABLE promo_redemption (
  promo_code_id   text NOT NULL REFERENCES promo_code,
  organization_id text NOT NULL REFERENCES organization,
  user_id         text NOT NULL,
  entry_id        bigint NOT NULL UNIQUE,
  redeemed_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (promo_code_id, organization_id)
);
CREATE INDEX promo_redemption_of_organization ON promo_redemption (organization_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON promo_redemption
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT ON promo_redemption TO sublet_app;

-- Whoever redeems waits for who redeems the same code, so that the last use is given once.
CREATE FUNCTION promo_redemption_allowed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
  code promo_code;
BEGIN
  SELECT * INTO code FROM promo_code WHERE id = NEW.promo_code_id FOR NO KEY UPDATE;
  IF code.ended_at IS NOT NULL OR code.expires_at <= clock_timestamp()
     OR (SELECT count(*) FROM promo_redemption r WHERE r.promo_code_id = code.id) >= code.most_uses THEN
    RAISE EXCEPTION 'promo code % is over', code.id USING ERRCODE = 'check_violation', CONSTRAINT = 'promo_code_over';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER allowed BEFORE INSERT ON promo_redemption
  FOR EACH ROW EXECUTE FUNCTION promo_redemption_allowed();
"""


def upgrade() -> None:
    """Let operators give credit, within a budget."""
    execute_script(TABLES)
