"""Payments: what became of each payment, refund and dispute is sealed, with what about it never changes."""

from sublet.migrations.script import execute_script

revision = "0063_payments"
down_revision = "0062_billing"

REGISTERS = """
CREATE VIEW sealable_top_up AS
  SELECT h.id, ARRAY[
           h.id::text, h.top_up_id, h.previous, h.next, h.reason, extract(epoch FROM h.at)::text, t.organization_id,
           t.amount::text, t.currency, t.requested_by, t.purpose] AS parts
    FROM top_up_history h
    LEFT JOIN top_up t ON t.id = h.top_up_id;
CREATE VIEW sealable_refund AS
  SELECT h.id, ARRAY[
           h.id::text, h.refund_id, h.previous, h.next, h.reason, extract(epoch FROM h.at)::text, r.organization_id,
           r.top_up_id, r.amount::text, r.currency, r.origin, r.requested_by, r.reason, r.entry_id::text] AS parts
    FROM refund_history h
    LEFT JOIN refund r ON r.id = h.refund_id;
CREATE VIEW sealable_dispute AS
  SELECT h.id, ARRAY[
           h.id::text, h.dispute_id, h.previous, h.next, h.reason, extract(epoch FROM h.at)::text, d.organization_id,
           d.top_up_id, d.currency, d.processor_id] AS parts
    FROM dispute_history h
    LEFT JOIN dispute d ON d.id = h.dispute_id;
SELECT sublet_keep_register('top_up', 'top_up_history', 'top_up_history_id_seq', 'sealable_top_up');
SELECT sublet_keep_register('refund', 'refund_history', 'refund_history_id_seq', 'sealable_refund');
SELECT sublet_keep_register('dispute', 'dispute_history', 'dispute_history_id_seq', 'sealable_dispute');

-- Nobody who inserts chooses an id: one within a range that is sealed would break its seal.
REVOKE INSERT ON top_up_history, refund_history, dispute_history FROM sublet_app;
GRANT INSERT (top_up_id, previous, next, reason) ON top_up_history TO sublet_app;
GRANT INSERT (refund_id, previous, next, reason) ON refund_history TO sublet_app;
GRANT INSERT (dispute_id, previous, next, reason) ON dispute_history TO sublet_app;
"""


def upgrade() -> None:
    """Make the histories registers."""
    execute_script(REGISTERS)
