"""Ledger: the calendar of the books, months that are closed with what they came to, and what corrects a closed one."""

from sublet.migrations.script import execute_script

revision = "0050_ledger"
down_revision = "0049_payments"

TABLES = """
SET ROLE sublet_ledger;

-- In which time zone months begin and end: that of the legal entity. Set while the books are empty, and never again.
CREATE TABLE ledger.calendar (
  only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  time_zone text NOT NULL
);

-- Months are closed one after the other, so that all before the newest `ends_at` is closed.
CREATE TABLE ledger.month_close (
  month     text PRIMARY KEY CHECK (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  starts_at timestamptz NOT NULL UNIQUE,
  ends_at   timestamptz NOT NULL UNIQUE CHECK (ends_at > starts_at),
  closed_by text NOT NULL,
  closed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What the accounts of a kind came to in a closed month: `opening` is what they had before it.
CREATE TABLE ledger.month_total (
  month    text NOT NULL REFERENCES ledger.month_close,
  kind     ledger.account_kind NOT NULL,
  currency text NOT NULL,
  opening  numeric NOT NULL,
  debits   numeric NOT NULL CHECK (debits >= 0),
  credits  numeric NOT NULL CHECK (credits >= 0),
  PRIMARY KEY (month, kind, currency)
);

-- Entries of an open month that are about a closed one.
CREATE TABLE ledger.correction (
  entry_id bigint PRIMARY KEY REFERENCES ledger.ledger_entry,
  month    text NOT NULL REFERENCES ledger.month_close
);
CREATE INDEX correction_month ON ledger.correction (month);

-- Entries are nearly in this order, and a range of blocks costs a charge nothing.
CREATE INDEX ledger_entry_effective ON ledger.ledger_entry USING brin (effective_at) WITH (autosummarize = on);
RESET ROLE;
"""


def upgrade() -> None:
    """Let months end."""
    execute_script(TABLES)
