"""Payments: saved cards, how they are saved, and top-ups that are charged to one while nobody is there."""

from sublet.migrations.script import execute_script

revision = "0047_payments"
down_revision = "0046_ledger"

TABLES = """
-- Who an organization is at the processor: known before its first card is saved.
CREATE TABLE processor_customer (
  organization_id text PRIMARY KEY REFERENCES organization,
  customer_id     text NOT NULL UNIQUE,
  made_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON processor_customer
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT ON processor_customer TO sublet_app;

CREATE TABLE card_setup (
  id                  text PRIMARY KEY,
  seq                 bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  organization_id     text NOT NULL REFERENCES organization,
  installation_id     text NOT NULL,
  requested_by        text NOT NULL,
  request_key         text,
  customer_email      text,
  return_path         text NOT NULL,
  success_url         text NOT NULL,
  cancel_url          text NOT NULL,
  state               text NOT NULL DEFAULT 'pending',
  checkout_session_id text UNIQUE,
  checkout_url        text,
  setup_intent_id     text UNIQUE,
  failure_code        text,
  failure_message     text,
  created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  completed_at        timestamptz,
  looked_at           timestamptz,
  UNIQUE (organization_id, requested_by, request_key),
  CONSTRAINT card_setup_state_check CHECK (state IN ('pending', 'succeeded', 'failed', 'expired')),
  CONSTRAINT card_setup_completed_check CHECK ((completed_at IS NOT NULL) = (state <> 'pending')),
  CONSTRAINT card_setup_succeeded_check CHECK (state <> 'succeeded' OR setup_intent_id IS NOT NULL),
  CONSTRAINT card_setup_failure_check CHECK ((failure_code IS NULL) = (failure_message IS NULL))
);
CREATE TABLE card_setup_transition (
  from_state text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO card_setup_transition (from_state, to_state) VALUES
  ('pending', 'succeeded'), ('pending', 'failed'), ('pending', 'expired');
GRANT SELECT ON card_setup_transition TO sublet_app;
CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON card_setup
  FOR EACH ROW EXECUTE FUNCTION sublet_moves('pending');
CREATE INDEX card_setup_of_organization ON card_setup (organization_id, seq DESC);
CREATE INDEX card_setup_open ON card_setup (organization_id) WHERE state = 'pending';
GRANT SELECT, INSERT ON card_setup TO sublet_app;
GRANT UPDATE (state, checkout_session_id, checkout_url, setup_intent_id, failure_code, failure_message, completed_at,
              looked_at) ON card_setup TO sublet_app;

CREATE TABLE card_setup_history (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  card_setup_id text NOT NULL REFERENCES card_setup,
  previous      text NOT NULL,
  next          text NOT NULL,
  reason        text NOT NULL,
  at            timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX card_setup_history_of ON card_setup_history (card_setup_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON card_setup_history
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT ON card_setup_history TO sublet_app;

-- Of a card only what its holder knows it by; the number never comes here.
CREATE TABLE saved_card (
  id                text PRIMARY KEY,
  seq               bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  organization_id   text NOT NULL REFERENCES organization,
  card_setup_id     text NOT NULL UNIQUE REFERENCES card_setup,
  customer_id       text NOT NULL,
  payment_method_id text NOT NULL UNIQUE,
  brand             text NOT NULL,
  last4             text NOT NULL CHECK (last4 ~ '^[0-9]{4}$'),
  expiry_month      integer NOT NULL CHECK (expiry_month BETWEEN 1 AND 12),
  expiry_year       integer NOT NULL,
  is_default        boolean NOT NULL,
  saved_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  removed_at        timestamptz,
  forgotten_at      timestamptz,  -- by the processor
  CONSTRAINT saved_card_default_check CHECK (NOT is_default OR removed_at IS NULL),
  CONSTRAINT saved_card_forgotten_check CHECK (forgotten_at IS NULL OR removed_at IS NOT NULL)
);
CREATE UNIQUE INDEX saved_card_default ON saved_card (organization_id) WHERE is_default;
CREATE INDEX saved_card_of_organization ON saved_card (organization_id, seq DESC);
CREATE INDEX saved_card_to_forget ON saved_card (id) WHERE removed_at IS NOT NULL AND forgotten_at IS NULL;
CREATE TRIGGER stays_removed BEFORE UPDATE OF removed_at ON saved_card FOR EACH ROW
  WHEN (OLD.removed_at IS NOT NULL AND NEW.removed_at IS DISTINCT FROM OLD.removed_at)
  EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT ON saved_card TO sublet_app;
GRANT UPDATE (is_default, removed_at, forgotten_at) ON saved_card TO sublet_app;

CREATE TABLE auto_top_up (
  organization_id text NOT NULL REFERENCES organization,
  currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  threshold       bigint NOT NULL CHECK (threshold >= 0 AND threshold % 1000 = 0),
  amount          bigint NOT NULL CHECK (amount > 0 AND amount % 1000 = 0),
  monthly_cap     bigint NOT NULL CHECK (monthly_cap % 1000 = 0),
  enabled         boolean NOT NULL,
  set_by          text NOT NULL,
  set_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (organization_id, currency),
  CONSTRAINT auto_top_up_cap_check CHECK (monthly_cap >= amount)
);
GRANT SELECT, INSERT, UPDATE ON auto_top_up TO sublet_app;

-- Which card a top-up is charged to while nobody is there; nothing for one that is paid on a page.
ALTER TABLE top_up
  ADD COLUMN purpose text NOT NULL DEFAULT 'top_up'
    CONSTRAINT top_up_purpose_check CHECK (purpose IN ('top_up', 'auto_top_up')),
  ADD COLUMN saved_card_id text CONSTRAINT top_up_saved_card_id_fkey REFERENCES saved_card,
  ADD CONSTRAINT top_up_charged_check CHECK (purpose <> 'auto_top_up' OR saved_card_id IS NOT NULL) NOT VALID,
  DROP CONSTRAINT top_up_state_check,
  ADD CONSTRAINT top_up_state_check
    CHECK (state IN ('pending', 'processing', 'needs_action', 'succeeded', 'failed', 'expired')) NOT VALID;
ALTER TABLE top_up VALIDATE CONSTRAINT top_up_charged_check;
ALTER TABLE top_up VALIDATE CONSTRAINT top_up_state_check;
CREATE INDEX top_up_of_card ON top_up (saved_card_id);
INSERT INTO top_up_transition (from_state, to_state) VALUES
  ('pending', 'needs_action'), ('processing', 'needs_action'),
  ('needs_action', 'processing'), ('needs_action', 'succeeded'), ('needs_action', 'failed'),
  ('needs_action', 'expired');
CREATE INDEX top_up_open_by_seq ON top_up (seq) WHERE state IN ('pending', 'processing', 'needs_action');
CREATE INDEX top_up_open_for_organization ON top_up (organization_id)
  WHERE state IN ('pending', 'processing', 'needs_action');
DROP INDEX top_up_open;
DROP INDEX top_up_open_of_organization;
-- One at a time, whatever its workers believe.
CREATE UNIQUE INDEX auto_top_up_under_way ON top_up (organization_id, currency)
  WHERE purpose = 'auto_top_up' AND state IN ('pending', 'processing', 'needs_action');
CREATE INDEX auto_top_up_by_time ON top_up (organization_id, currency, created_at) WHERE purpose = 'auto_top_up';

-- What a customer set is kept by the database too: one attempt an hour, three that came to nothing since it was set or
-- last paid, and never more in a month of UTC. The application reads the same.
CREATE FUNCTION auto_top_up_so_far(of_organization text, in_currency text, since timestamptz)
RETURNS TABLE (charged bigint, declines bigint, latest timestamptz, under_way text) LANGUAGE sql STABLE AS $$
  WITH made AS (
    SELECT t.id, t.state, t.created_at, coalesce(t.credited, t.amount) AS amount
      FROM public.top_up t
     WHERE t.organization_id = of_organization AND t.currency = in_currency AND t.purpose = 'auto_top_up'
  ), paid AS (
    SELECT max(created_at) AS at FROM made WHERE state = 'succeeded'
  )
  SELECT coalesce(sum(amount) FILTER (WHERE state NOT IN ('failed', 'expired')
                                        AND created_at >= date_trunc('month', clock_timestamp(), 'UTC')), 0)::bigint,
         count(*) FILTER (WHERE state IN ('failed', 'expired')
                            AND created_at > greatest(since, paid.at)),
         max(created_at),
         max(id) FILTER (WHERE state IN ('pending', 'processing', 'needs_action'))
    FROM made CROSS JOIN paid
$$;
CREATE FUNCTION auto_top_up_within_bounds() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wanted public.auto_top_up;
  so_far record;
BEGIN
  SELECT * INTO wanted FROM public.auto_top_up a
   WHERE a.organization_id = NEW.organization_id AND a.currency = NEW.currency FOR UPDATE;
  SELECT * INTO so_far FROM public.auto_top_up_so_far(NEW.organization_id, NEW.currency, wanted.set_at);
  IF wanted.enabled IS DISTINCT FROM true THEN
    RAISE EXCEPTION 'auto top-up is off' USING ERRCODE = 'check_violation', CONSTRAINT = 'auto_top_up_enabled';
  ELSIF so_far.declines >= 3 THEN
    RAISE EXCEPTION 'auto top-up has stopped: three charges came to nothing'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'auto_top_up_declines';
  ELSIF so_far.charged + NEW.amount > wanted.monthly_cap THEN
    RAISE EXCEPTION 'auto top-up would pass its monthly cap'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'auto_top_up_monthly_cap';
  ELSIF so_far.latest > clock_timestamp() - interval '1 hour' THEN
    RAISE EXCEPTION 'auto top-up was attempted less than an hour ago'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'auto_top_up_hourly';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER auto_top_up_bounds BEFORE INSERT ON top_up FOR EACH ROW WHEN (NEW.purpose = 'auto_top_up')
  EXECUTE FUNCTION auto_top_up_within_bounds();

-- Which saving of a card an event names.
ALTER TABLE stripe_event ADD COLUMN card_setup_id text;
"""


def upgrade() -> None:
    """Add the tables, and let top-ups be charged to a saved card."""
    execute_script(TABLES)
