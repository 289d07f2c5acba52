"""Ledger: whose each account is, and of which kind, is sealed."""

from sublet.migrations.script import execute_script

revision = "0075_ledger"
down_revision = "0074_identity"

REGISTER = """
CREATE VIEW sealable_account AS
  SELECT a.id, ARRAY[
           a.id::text, a.code, a.kind::text, a.owner_id, a.currency, a.materialised::text, w.owner_id, w.currency,
           w.promo_id::text, w.receivable_id::text] AS parts
    FROM ledger.account a
    LEFT JOIN ledger.wallet w ON w.id = a.id;
SELECT sublet_keep_register('account', 'ledger.account', 'ledger.account_id_seq', 'sealable_account');
"""


def upgrade() -> None:
    """Make accounts a register."""
    execute_script(REGISTER)
