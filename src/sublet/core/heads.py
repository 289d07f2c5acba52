"""Signed heads of the chains of seals, in a file outside the database: what its owner cannot rewrite unseen.

A line is one head: of which chain it is, up to which id that was sealed, the hash that it had, when, and its signature.
Lines are only ever added. The first line's key is the one that all others must be signed with.
"""

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sublet.core.db import Database, Session
from sublet.core.registers import Chain
from sublet.core.signer import Signer, is_signed


@dataclass(frozen=True, slots=True)
class Head:
    """A chain as it was sealed up to one id."""

    chain: str
    to_id: int
    hash: bytes
    sealed_at: datetime

    @property
    def message(self) -> bytes:
        """What is signed."""
        told = {"chain": self.chain, "to_id": self.to_id, "hash": self.hash.hex(), "at": self.sealed_at.isoformat()}
        return json.dumps(told, sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Line:
    """A head in the file, with the public key and the signature that came with it."""

    head: Head
    key: bytes
    signature: bytes

    def is_signed(self, trusted: bytes) -> bool:
        """Whether the owner of a public key signed it."""
        return is_signed(self.head.message, self.signature, trusted)


async def publish(database: Database, signer: Signer, file: Path, chains: Iterable[Chain]) -> int:
    """Add the newest head of each chain to the file, signed, unless it is there; returns how many were added."""
    newest = {line.head.chain: line.head for line in read(file)}
    added = 0
    for chain in chains:
        async with database.reading() as session:
            row = (await session.execute(chain.head)).one_or_none()
        if row is None:
            continue
        head, known = Head(chain.name, row.to_id, bytes(row.hash), row.sealed_at), newest.get(chain.name)
        if known is not None and (known.to_id, known.hash) == (head.to_id, head.hash):
            continue
        line = {
            **json.loads(head.message),
            "key": b64encode(await signer.public_key()).decode(),
            "signature": b64encode(await signer.sign(head.message)).decode(),
        }
        _add(file, json.dumps(line, sort_keys=True))
        added += 1
    return added


def _add(file: Path, line: str) -> None:
    with file.open("a", encoding="utf-8") as out:
        out.write(f"{line}\n")
        out.flush()
        os.fsync(out.fileno())


NOT_SIGNED = "the head in the file is not signed with the key that all are signed with"
GONE = "was sealed up to here, and that seal is gone"
DIFFERS = "was sealed with another hash than it has now"


async def contradicted(session: Session, file: Path, chains: Iterable[Chain]) -> list[tuple[str, int, str]]:
    """Chain and id up to which it is not what a signed head in the file says, and why; unsigned lines too.

    The chain below each head is what the check of seals recomputes: both together find a rewrite and a tail that is
    gone. A chain that the file knows and this release does not is gone.
    """
    lines = read(file)
    sealed: dict[tuple[str, int], bytes] = {}
    for chain in chains:
        asked = {"to_ids": [line.head.to_id for line in lines if line.head.chain == chain.name]}
        for row in await session.execute(chain.hashes, asked):
            sealed[chain.name, row.to_id] = bytes(row.hash)
    return against(lines, sealed, lines[0].key if lines else b"")


def against(lines: Sequence[Line], sealed: dict[tuple[str, int], bytes], trusted: bytes) -> list[tuple[str, int, str]]:
    """What the heads of a file contradict in the hashes that chains have, by chain and the last id of each seal."""
    found = []
    for line in lines:
        place = line.head.chain, line.head.to_id
        if not line.is_signed(trusted):
            found.append((*place, NOT_SIGNED))
        elif place not in sealed:
            found.append((*place, GONE))
        elif sealed[place] != line.head.hash:
            found.append((*place, DIFFERS))
    return found


def read(file: Path) -> list[Line]:
    """The heads of a file, oldest first; none if there is no such file."""
    try:
        text_of = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    lines = []
    for line in text_of.splitlines():
        told: dict[str, Any] = json.loads(line)
        head = Head(told["chain"], told["to_id"], bytes.fromhex(told["hash"]), datetime.fromisoformat(told["at"]))
        lines.append(Line(head, b64decode(told["key"]), b64decode(told["signature"])))
    return lines
