"""Payments: what was asked for, what arrived and what was taken back is not rewritten by the application either."""

from sublet.migrations.script import execute_script

revision = "0022_payments"
down_revision = "0021_scheduling"

TABLES = """
-- Whose it is and how much of what was asked for stay as they were made.
REVOKE UPDATE ON top_up FROM sublet_app;
GRANT UPDATE (state, checkout_session_id, checkout_url, payment_intent_id, charge_id, balance_transaction_id, fee,
              failure_code, failure_message, completed_at, looked_at,
              credited, taken_back, taken_aside, taken_settled) ON top_up TO sublet_app;

-- Which payment it is, and what that cost, is found out once.
CREATE TRIGGER payment_once BEFORE UPDATE OF payment_intent_id, charge_id ON top_up FOR EACH ROW
  WHEN ((NEW.payment_intent_id, NEW.charge_id) IS DISTINCT FROM (OLD.payment_intent_id, OLD.charge_id)
        AND OLD.state = 'succeeded')
  EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER fee_once BEFORE UPDATE OF fee, balance_transaction_id ON top_up FOR EACH ROW
  WHEN (OLD.fee IS NOT NULL
        AND (NEW.fee, NEW.balance_transaction_id) IS DISTINCT FROM (OLD.fee, OLD.balance_transaction_id))
  EXECUTE FUNCTION sublet_refuse_change();
-- Nothing is credited but by the step to `succeeded`, from which none leads away.
CREATE TRIGGER credited_once BEFORE UPDATE OF credited ON top_up FOR EACH ROW
  WHEN (NEW.credited IS DISTINCT FROM OLD.credited AND OLD.state = 'succeeded')
  EXECUTE FUNCTION sublet_refuse_change();

CREATE TRIGGER taken_grows BEFORE UPDATE OF taken_back, taken_aside ON top_up FOR EACH ROW
  WHEN (NEW.taken_back < OLD.taken_back OR NEW.taken_aside < OLD.taken_aside)
  EXECUTE FUNCTION sublet_refuse_change();
-- What an operator has settled is all that had been spent of it by then; that is noted when more is taken back.
CREATE TRIGGER settled_with_more BEFORE UPDATE OF taken_settled ON top_up FOR EACH ROW
  WHEN (NEW.taken_settled <> OLD.taken_settled
        AND (NEW.taken_back <= OLD.taken_back OR NEW.taken_settled <> OLD.taken_back - OLD.taken_aside))
  EXECUTE FUNCTION sublet_refuse_change();
"""


def upgrade() -> None:
    """Take rights away from the application, and add the triggers."""
    execute_script(TABLES)
