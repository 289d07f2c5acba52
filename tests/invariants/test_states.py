"""Transitions are told twice, in Python and in PostgreSQL, and both say the same: for every `states.py` there is."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import text

import sublet
from sublet.core.db import Database

pytestmark = pytest.mark.anyio

SOURCE = Path(sublet.__file__).parent
KEPT_IN = {
    "AllocationState": "allocation",
    "NodeState": "node",
    "GpuState": "gpu",
    "TopUpState": "top_up",
    "SetupState": "card_setup",
    "ApprovalState": "approval",
    "PortState": "published_port",
    "RefundState": "refund",
    "RefundRequestState": "refund_request",
    "DisputeState": "dispute",
    "PayoutState": "payout",
}
"""The table in whose column `state` each enum of a table of transitions is kept. A new one is a line here."""

_TABLES = text("SELECT relname FROM pg_class WHERE relname LIKE '%\\_transition' AND relkind = 'r'")


def modules() -> Iterator[ModuleType]:
    """Every module called `states`, or `…_states`, but for the command line's, which only paints them."""
    for path in sorted(SOURCE.rglob("*states.py")):
        name = ".".join(("sublet", *path.relative_to(SOURCE).with_suffix("").parts))
        if not name.startswith("sublet.cli"):
            yield importlib.import_module(name)


def tables_of_arrows() -> dict[str, set[tuple[str, str]]]:
    """Every table of transitions in Python, by the table whose rows it is about."""
    found = {}
    for module in modules():
        for name, value in vars(module).items():
            if name.endswith("TRANSITIONS"):
                kept_in = KEPT_IN[type(next(iter(value))).__name__]
                found[kept_in] = {(start.value, to.value) for start, targets in value.items() for to in targets}
    return found


class TestTransitions:
    async def test_say_the_same_to_postgresql(self, database: Database) -> None:
        async with database.reading() as session:
            names = (await session.execute(_TABLES)).scalars().all()
            stored = {
                name.removesuffix("_transition"): {
                    (row.from_state, row.to_state) for row in await session.execute(text(f"SELECT * FROM {name}"))
                }
                for name in names
            }
        assert stored == tables_of_arrows()

    async def test_are_changed_by_nobody_who_runs_sublet(self, database: Database) -> None:
        async with database.reading() as session:
            for table in tables_of_arrows():
                for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
                    held = text("SELECT has_table_privilege(current_user, :name, :right)")
                    found = await session.execute(held, {"name": f"{table}_transition", "right": right})
                    assert found.scalar_one() is False, (table, right)
