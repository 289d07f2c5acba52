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
_STRAYS = text("SELECT register, first_id, last_id FROM sublet_stray_rows()")
_DRAWN = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"
_LOOSE = """
    SELECT count(*) FILTER (WHERE {id} < 1 OR {id} > :drawn) AS strays,
           count(*) FILTER (WHERE {id} > :last AND {id} <= :drawn) AS unsealed
      FROM {table} WHERE {id} < 1 OR {id} > :last
"""
_SEALS = "SELECT from_id, to_id, prev_hash, hash FROM register_seal WHERE register = :register ORDER BY from_id"


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain of seals: what reads its newest seal, the hash of some, all of them, and what was sealed.

    `rows` gives of the rows `:from_id` to `:to_id` the id and the parts that are sealed, in order and as they are
    stored: who verifies the chain from outside trusts no function and no view of the database. `tables` are those that
    it reads. `drawn` is the highest id that was ever given out; `loose` counts the rows that no seal can reach, as
    `strays` with an id below 1 or above `:drawn`, and those above `:last` that are not sealed yet; `orphans` counts
    what belongs to a row that there is not, and so to no range.
    """

    name: str
    head: TextClause
    hashes: TextClause
    seals: TextClause
    rows: TextClause
    tables: tuple[str, ...]
    drawn: TextClause
    loose: TextClause
    orphans: TextClause | None = None


@dataclass(frozen=True)
class Register:
    """Rows of the first of `tables` that are sealed as a register of that name, by an id that `sequence` gives."""

    name: str
    rows: str
    tables: tuple[str, ...]
    sequence: str
    id_column: str = "id"
    orphans: str | None = None

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
            text(_DRAWN.format(sequence=self.sequence)),
            text(_LOOSE.format(table=self.tables[0], id=self.id_column)),
            None if self.orphans is None else text(self.orphans),
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


async def strays(session: Session) -> list[tuple[str, int, int]]:
    """Registers (with the first and last such id) that have rows whose id was never given out: no seal comes."""
    return [(row.register, row.first_id, row.last_id) for row in await session.execute(_STRAYS)]
