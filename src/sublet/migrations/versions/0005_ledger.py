"""The ledger, version 1: schema, tables, triggers, functions and grants.

The SQL lies in `sublet/ledger/sql/`, frozen as version 1: once released, neither this file nor those ever change.
"""

from pathlib import Path

from alembic import op

from sublet.migrations.script import execute_script

revision = "0005_ledger"
down_revision = "0004_catalog"

SQL = Path(__file__).resolve().parents[2] / "ledger" / "sql"
FILES = (
    "1_tables.sql",
    "2_inner.sql",
    "3_wallets_and_holds.sql",
    "4_usage.sql",
    "5_payments_and_corrections.sql",
    "6_seals_and_checks.sql",
    "7_grants.sql",
)


def upgrade() -> None:
    """Create the books, owned by a role that nobody logs in as."""
    op.execute("CREATE SCHEMA ledger AUTHORIZATION sublet_ledger")
    op.execute("SET ROLE sublet_ledger")
    for name in FILES:
        execute_script((SQL / name).read_text(encoding="utf-8"))
    op.execute("RESET ROLE")
