"""Billing: a top-up that pays little gives the whole time of the data clock once."""

from sublet.migrations.script import execute_script

revision = "0073_billing"
down_revision = "0072_billing"

RENEWED_ONCE = """
-- `topped_up_at`: a top-up that the review has not looked at yet. `renewed_at`: one that was not enough, and for whose
-- sake the whole time began anew.
ALTER TABLE data_clock ADD COLUMN topped_up_at timestamptz, ADD COLUMN renewed_at timestamptz;

CREATE FUNCTION data_clock_is_not_stretched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.renewed_at IS NOT NULL AND NEW.renewed_at IS DISTINCT FROM OLD.renewed_at THEN
    RAISE EXCEPTION 'the data clock of % was renewed already', OLD.organization_id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.deletes_at > OLD.deletes_at AND NEW.renewed_at IS NOT DISTINCT FROM OLD.renewed_at
     AND (NEW.told_days > 1 OR OLD.told_days = 1 OR NEW.deletes_at > clock_timestamp() + interval '1 day') THEN
    RAISE EXCEPTION 'the data clock of % moves for a late last notice alone', OLD.organization_id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER not_stretched BEFORE UPDATE ON data_clock
  FOR EACH ROW EXECUTE FUNCTION data_clock_is_not_stretched();
"""


def upgrade() -> None:
    """Add what a top-up did to the clock."""
    execute_script(RENEWED_ONCE)
