"""Billing: usage is sealed, each charge with the record that it was made of."""

from sublet.migrations.script import execute_script

revision = "0062_billing"
down_revision = "0061_core"

REGISTER = """
CREATE VIEW sealable_usage AS
  SELECT c.id, ARRAY[
           c.id::text, c.subject_id, extract(epoch FROM c.period_start)::text, c.meter_kind, c.organization_id,
           c.currency, c.price_id, c.nano_per_hour::text, c.amount::text, c.ledger_entry_id::text,
           extract(epoch FROM c.charged_at)::text, extract(epoch FROM u.period_end)::text, u.seconds::text, u.kind,
           u.meter_kind, u.sku_id, u.node_id, extract(epoch FROM u.evidence_at)::text, u.boot_id,
           extract(epoch FROM u.seen_from)::text, u.seen_count::text] AS parts
    FROM usage_charge c
    LEFT JOIN usage_record u ON u.subject_id = c.subject_id AND u.period_start = c.period_start;
SELECT sublet_keep_register('usage', 'usage_charge', 'usage_charge_id_seq', 'sealable_usage');

-- Nobody who inserts chooses an id: one within a range that is sealed would break its seal.
REVOKE INSERT ON usage_charge FROM sublet_app;
GRANT INSERT (subject_id, period_start, meter_kind, organization_id, currency, price_id, nano_per_hour, amount,
              ledger_entry_id) ON usage_charge TO sublet_app;
"""


def upgrade() -> None:
    """Make usage a register."""
    execute_script(REGISTER)
