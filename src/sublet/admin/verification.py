"""Verification from outside: a database, or what a dump of it was restored to, against signed heads of its seals.

Every hash is computed here, from the rows of tables as they are stored. Nothing that the database's owner could have
replaced is asked: no view, no function of ours, no hash that is stored beside the rows. What is compared with the
heads is what the rows hash to.
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

from sublet.admin.seals import CHAINS
from sublet.core import heads
from sublet.core.db import driver_url
from sublet.core.registers import Chain

_BEGINNING = b"\x00"
_SAFE_PATH = "-c search_path=pg_catalog,public -c default_transaction_read_only=on"
_IS_PLAIN = text(
    """
    SELECT c.relkind = 'r' AND NOT c.relrowsecurity AND NOT c.relhasrules
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = :schema AND c.relname = :name
    """
)
_SPECIAL = frozenset('"\\{}, \t\n\r\v\f')


@dataclass
class Verified:
    """What came of one chain: how many seals and heads it has, up to which id, how many rows came after that and are
    not sealed yet, and what is wrong, in words."""

    name: str
    seals: int = 0
    heads: int = 0
    sealed_to: int = 0
    unsealed: int = 0
    problems: list[str] = field(default_factory=list)


def verify(url: str, file: Path, *, key: bytes | None = None) -> list[Verified]:
    """Compare every chain of a database with the heads of a file, each signed with `key`, or with that of the first.

    It only reads, in one snapshot. What the file has no head of is verified against itself alone.
    """
    lines = heads.read(file)
    trusted = key if key is not None else (lines[0].key if lines else b"")
    engine = create_engine(driver_url(url), isolation_level="REPEATABLE READ", connect_args={"options": _SAFE_PATH})
    try:
        with engine.connect() as connection:
            sealed: dict[tuple[str, int], bytes] = {}
            found = {chain.name: _recomputed(connection, chain, sealed) for chain in CHAINS}
    finally:
        engine.dispose()
    for line in lines:
        found.setdefault(line.head.chain, Verified(line.head.chain)).heads += 1
    for name, to_id, problem in heads.against(lines, sealed, trusted):
        found[name].problems.append(f"up to {to_id}: {problem}")
    return list(found.values())


def _recomputed(connection: Connection, chain: Chain, sealed: dict[tuple[str, int], bytes]) -> Verified:
    """Compute a chain anew; `sealed` gets the hash of each of its ranges."""
    one = Verified(chain.name)
    for table in chain.tables:
        schema, name = table.split(".")
        if connection.execute(_IS_PLAIN, {"schema": schema, "name": name}).scalar_one_or_none() is not True:
            one.problems.append(f"{table} is no plain table, so that what it shows is nobody's evidence")
            return one
    before, last = _BEGINNING, 0
    for seal in connection.execute(chain.seals).all():
        if seal.from_id != last + 1:
            one.problems.append(f"{last + 1}-{seal.from_id - 1}: lies between two seals and in none")
        rows = connection.execute(chain.rows, {"from_id": seal.from_id, "to_id": seal.to_id})
        after = range_hash(before, seal.from_id, seal.to_id, (row.parts for row in rows))
        if bytes(seal.prev_hash) != before or bytes(seal.hash) != after:
            one.problems.append(f"{seal.from_id}-{seal.to_id}: these rows are not what was sealed")
        before, last = after, seal.to_id
        sealed[chain.name, last] = after
        one.seals += 1
    one.sealed_to = last
    _look_for_loose_rows(connection, chain, one)
    return one


def _look_for_loose_rows(connection: Connection, chain: Chain, one: Verified) -> None:
    """What no range holds: rows that no seal can reach, and what belongs to a row that there is not."""
    drawn = connection.execute(chain.drawn).scalar_one()
    loose = connection.execute(chain.loose, {"last": one.sealed_to, "drawn": max(drawn, one.sealed_to)}).one()
    one.unsealed = loose.unsealed
    if loose.strays:
        one.problems.append(f"rows whose ids were never given out, so that no seal reaches them: {loose.strays}")
    orphans = 0 if chain.orphans is None else connection.execute(chain.orphans).scalar_one()
    if orphans:
        one.problems.append(f"rows that belong to none that is sealed: {orphans}")


def range_hash(before: bytes, from_id: int, to_id: int, rows: Iterator[Sequence[str | None]]) -> bytes:
    """The hash of a range of rows, each by its parts, on top of the hash before it."""
    whole = hashlib.sha256(before + struct.pack(">qq", from_id, to_id))
    for parts in rows:
        whole.update(hashlib.sha256(array_text(parts).encode()).digest())
    return whole.digest()


def array_text(parts: Sequence[str | None]) -> str:
    """A text[] as PostgreSQL writes it."""
    return "{" + ",".join(map(_element, parts)) + "}"


def _element(part: str | None) -> str:
    if part is None:
        return "NULL"
    if part and part.upper() != "NULL" and not _SPECIAL & set(part):
        return part
    escaped = part.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
