"""Registers: rows that never change are sealed in ranges, into one chain of hashes for each register.

A domain makes its rows a register in a migration, by `sublet_keep_register`, and names it in a file of its own.
"""

from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import BindParameter, TextClause, bindparam, text

from sublet.core.db import Database, Session

ROWS_EACH = 1000

_SEAL = text("SELECT sublet_seal_register(:register, :rows_each)")
_BROKEN = text("SELECT register, from_id, to_id FROM broken_register_seal ORDER BY register, from_id")
_HEAD = "SELECT to_id, hash, sealed_at FROM register_seal WHERE register = :register ORDER BY from_id DESC LIMIT 1"
_HASHES = "SELECT to_id, hash FROM register_seal WHERE register = :register AND to_id = ANY(:to_ids)"
_SEALS = "SELECT from_id, to_id, prev_hash, hash FROM register_seal WHERE register = :register ORDER BY from_id"


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain of seals: what reads its newest seal, the hash of some, all of them, and what was sealed.

    `rows` gives of the rows `:from_id` to `:to_id` the id and the parts that are sealed, in order and as they are
    stored: who verifies the chain from outside trusts no function and no view of the database. `tables` are those that
    it reads.
    """

    name: str
    head: TextClause
    hashes: TextClause
    seals: TextClause
    rows: TextClause
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Register:
    """Rows that are sealed as a register of that name."""

    name: str
    rows: str
    tables: tuple[str, ...]

    @cached_property
    def chain(self) -> Chain:
        """The seals of the register."""
        own: BindParameter[str] = bindparam("register", self.name)
        return Chain(
            self.name,
            text(_HEAD).bindparams(own),
            text(_HASHES).bindparams(own),
            text(_SEALS).bindparams(own),
            text(self.rows),
            ("public.register_seal", *self.tables),
        )


async def seal(database: Database, register: Register) -> int:
    """Seal what was final at the last call, in a transaction of its own; returns how many ranges, 200 at most.

    A call also marks what is there now, so rows are sealed by the call after the one that saw them.
    """
    async with database.transaction() as session:
        return int((await session.execute(_SEAL, {"register": register.name, "rows_each": ROWS_EACH})).scalar_one())


async def broken(session: Session) -> list[tuple[str, int, int]]:
    """Ranges (register, first and last id) whose rows, or whose place in the chain, are not what was sealed."""
    return [(row.register, row.from_id, row.to_id) for row in await session.execute(_BROKEN)]
