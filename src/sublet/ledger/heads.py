"""Signed heads of the chain of seals, in a file outside the database: what its owner cannot rewrite unseen.

A line is one head: up to which entry the books were sealed, the hash that they had, when, and its signature. Lines are
only ever added. The first line's key is the one that all others must be signed with.
"""

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.core.signer import Signer, is_signed

_HEAD = text("SELECT to_id, hash, sealed_at FROM ledger.seal ORDER BY from_id DESC LIMIT 1")
_HASHES = text("SELECT to_id, hash FROM ledger.seal WHERE to_id = ANY(:to_ids)")


@dataclass(frozen=True, slots=True)
class Head:
    """The books as they were sealed up to one entry."""

    to_id: int
    hash: bytes
    sealed_at: datetime

    @property
    def message(self) -> bytes:
        """What is signed."""
        told = {"books": "ledger", "to_id": self.to_id, "hash": self.hash.hex(), "at": self.sealed_at.isoformat()}
        return json.dumps(told, sort_keys=True).encode()


async def publish(database: Database, signer: Signer, file: Path) -> bool:
    """Add the newest head to the file, signed, unless it is there; returns whether it was added."""
    async with database.reading() as session:
        row = (await session.execute(_HEAD)).one_or_none()
    if row is None:
        return False
    head = Head(row.to_id, bytes(row.hash), row.sealed_at)
    newest = next(iter(list(_lines(file))[-1:]), {})
    if (newest.get("to_id"), newest.get("hash")) == (head.to_id, head.hash.hex()):
        return False
    line = {
        **json.loads(head.message),
        "key": b64encode(await signer.public_key()).decode(),
        "signature": b64encode(await signer.sign(head.message)).decode(),
    }
    _add(file, json.dumps(line, sort_keys=True))
    return True


def _add(file: Path, line: str) -> None:
    with file.open("a", encoding="utf-8") as out:
        out.write(f"{line}\n")
        out.flush()
        os.fsync(out.fileno())


async def contradicted(session: Session, file: Path) -> list[tuple[int, str]]:
    """Entries up to which the books are not what a signed head in the file says, and why; unsigned lines too.

    The chain below each head is what `broken_seals` recomputes: both together find a rewrite and a tail that is gone.
    """
    lines = list(_lines(file))
    trusted = b64decode(lines[0]["key"]) if lines else b""
    asked = {"to_ids": [line["to_id"] for line in lines]}
    sealed = {row.to_id: bytes(row.hash) for row in await session.execute(_HASHES, asked)}
    found = []
    for line in lines:
        head = Head(line["to_id"], bytes.fromhex(line["hash"]), datetime.fromisoformat(line["at"]))
        if not is_signed(head.message, b64decode(line["signature"]), trusted):
            found.append((head.to_id, "the head in the file is not signed with the key of its first line"))
        elif head.to_id not in sealed:
            found.append((head.to_id, "was sealed up to here, and that seal is gone"))
        elif sealed[head.to_id] != head.hash:
            found.append((head.to_id, "was sealed with another hash than the books have now"))
    return found


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    try:
        text_of = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    for line in text_of.splitlines():
        yield json.loads(line)
