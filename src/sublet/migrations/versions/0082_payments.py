"""Payments: what auto top-up charges in a month is counted in the month of the legal entity."""

from sublet.migrations.script import execute_script

revision = "0082_payments"
down_revision = "0081_allocations"

MONTH = """
-- Without a calendar no month begins, and whatever was charged counts.
CREATE OR REPLACE FUNCTION auto_top_up_so_far(of_organization text, in_currency text, since timestamptz)
RETURNS TABLE (charged bigint, declines bigint, latest timestamptz, under_way text) LANGUAGE plpgsql STABLE AS $$
DECLARE
  month_began timestamptz := coalesce((SELECT m.starts_at FROM ledger.present_month m), '-infinity');
BEGIN
  RETURN QUERY
  WITH made AS (
    SELECT t.id, t.state, t.created_at, coalesce(t.credited, t.amount) AS amount
      FROM public.top_up t
     WHERE t.organization_id = of_organization AND t.currency = in_currency AND t.purpose = 'auto_top_up'
  ), paid AS (
    SELECT max(m.created_at) AS at FROM made m WHERE m.state = 'succeeded'
  )
  SELECT coalesce(sum(m.amount) FILTER (WHERE m.state NOT IN ('failed', 'expired')
                                          AND m.created_at >= month_began), 0)::bigint,
         count(*) FILTER (WHERE m.state IN ('failed', 'expired')
                            AND m.created_at > greatest(since, paid.at)),
         max(m.created_at),
         max(m.id) FILTER (WHERE m.state IN ('pending', 'processing', 'needs_action'))
    FROM made m CROSS JOIN paid;
END $$;
"""


def upgrade() -> None:
    """Count in the month of the books."""
    execute_script(MONTH)
