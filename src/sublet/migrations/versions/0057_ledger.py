"""Ledger: promotional money is in lots, of which some expire."""

from sublet.migrations.script import execute_script

revision = "0057_ledger"
down_revision = "0056_notifications"

TABLES = """
SET ROLE sublet_ledger;

-- A gift of promotional money. `rest` is what was left of it when the wallet's lots were last brought up to date, which
-- is whenever promotional money comes or expires; what was spent since follows from the balance.
CREATE TABLE ledger.promo_lot (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  wallet_id  bigint NOT NULL REFERENCES ledger.wallet,
  entry_id   bigint REFERENCES ledger.ledger_entry,  -- NULL: from before there were lots
  amount     bigint NOT NULL,
  rest       bigint NOT NULL,
  expired    bigint NOT NULL DEFAULT 0,
  expires_at timestamptz,  -- NULL: never
  CONSTRAINT promo_lot_parts CHECK (least(rest, expired, amount - rest - expired, amount - 1) >= 0),
  CONSTRAINT promo_lot_expires CHECK (expired = 0 OR (expires_at IS NOT NULL AND rest = 0)),
  UNIQUE (entry_id, wallet_id)
);
CREATE INDEX promo_lot_wallet ON ledger.promo_lot (wallet_id, expires_at);
CREATE INDEX promo_lot_left ON ledger.promo_lot (wallet_id, expires_at) WHERE rest > 0;
CREATE INDEX promo_lot_due ON ledger.promo_lot (expires_at) WHERE rest > 0 AND expires_at IS NOT NULL;

INSERT INTO ledger.promo_lot (wallet_id, amount, rest)
SELECT w.id, p.balance, p.balance FROM ledger.wallet w JOIN ledger.balance p ON p.account_id = w.promo_id
 WHERE p.balance > 0;

-- Made anew with one argument more, which running processes need not name.
DROP FUNCTION IF EXISTS ledger.grant_credit(text, text, bigint, text, text);
DROP FUNCTION IF EXISTS ledger.capture(bigint, bigint, boolean, text, text, text, text, text, timestamptz);
RESET ROLE;
"""


def upgrade() -> None:
    """Keep lots, and count what was given before as one that does not expire."""
    execute_script(TABLES)
