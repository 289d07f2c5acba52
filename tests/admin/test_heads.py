"""Signed heads outside the database: its owner can rewrite the books, and seal them anew, but not unseen."""

import json
from pathlib import Path

import psycopg
import pytest

from sublet.admin.seals import CHAINS, heads_hold
from sublet.core import heads
from sublet.core.db import Database
from sublet.core.runtime import keyring_of
from sublet.core.settings import SettingsInvalid, read_settings
from sublet.core.signer import Signer, is_signed
from sublet.ledger import seals
from tests.ledger.books import new_wallet, top_up
from tests.support.app import settings_for

pytestmark = pytest.mark.anyio

SEAL_ANEW = """
    DO $$
    DECLARE one record; prev bytea := '\\x00';
    BEGIN
      FOR one IN SELECT * FROM ledger.seal ORDER BY from_id LOOP
        UPDATE ledger.seal SET prev_hash = prev, hash = ledger.range_hash(prev, one.from_id, one.to_id)
         WHERE from_id = one.from_id RETURNING hash INTO prev;
      END LOOP;
    END $$
"""


class Archive:
    """Books that were sealed three times, each head published to a file."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = database
        self.file = directory / "heads.jsonl"
        self.signer = Signer(database, keyring_of(settings_for(directory / "data")))

    async def seal(self) -> None:
        """Post something, seal it, and publish that."""
        async with self.database.transaction() as session:
            await top_up(session, await new_wallet(session), "20")
        for _ in range(2):
            async with self.database.transaction() as session:
                await seals.seal_ranges(session)
        assert await heads.publish(self.database, self.signer, self.file, CHAINS)

    async def found(self) -> list[str]:
        """What the check says."""
        async with self.database.transaction() as session:
            return [finding.problem for finding in (await heads_hold(session, self.file)).findings]

    async def broken(self) -> list[tuple[int, int]]:
        """What the seals in the database say of themselves."""
        async with self.database.transaction() as session:
            return await seals.broken_seals(session)


@pytest.fixture
async def archive(database: Database, tmp_path: Path) -> Archive:
    """Three heads."""
    made = Archive(database, tmp_path)
    for _ in range(3):
        await made.seal()
    return made


def tamper(owner_url: str, *statements: str) -> None:
    """What the owner of the database does, past all triggers."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        for statement in statements:
            owner.execute(statement.encode())


class TestHeads:
    async def test_agree_with_books_that_are_as_they_were(self, archive: Archive) -> None:
        assert len(archive.file.read_text().splitlines()) == 3
        assert await archive.found() == []
        assert not await heads.publish(archive.database, archive.signer, archive.file, CHAINS)

    async def test_find_what_was_rewritten_and_sealed_anew(self, archive: Archive, owner_url: str) -> None:
        rewritten = (
            "UPDATE ledger.ledger_entry SET description = 'Gift' WHERE id = (SELECT min(id) FROM ledger.ledger_entry)"
        )
        tamper(owner_url, rewritten, SEAL_ANEW)
        assert await archive.broken() == []
        assert await archive.found() == [heads.DIFFERS] * 3

    async def test_find_a_tail_that_is_gone(self, archive: Archive, owner_url: str) -> None:
        last = "(SELECT max(from_id) FROM ledger.seal)"
        tamper(
            owner_url,
            f"DELETE FROM ledger.posting WHERE entry_id >= {last}",
            f"DELETE FROM ledger.ledger_entry WHERE id >= {last}",
            f"DELETE FROM ledger.seal WHERE from_id = {last}",
        )
        assert await archive.broken() == []
        assert await archive.found() == [heads.GONE]

    async def test_find_a_head_that_somebody_else_signed(self, archive: Archive, tmp_path: Path) -> None:
        lines = [json.loads(line) for line in archive.file.read_text().splitlines()]
        lines[1]["at"] = lines[0]["at"]
        archive.file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        assert await archive.found() == [heads.NOT_SIGNED]

    async def test_that_are_not_there_yet_say_nothing(self, database: Database, tmp_path: Path) -> None:
        archive = Archive(database, tmp_path)
        assert await archive.found() == []
        assert not await heads.publish(database, archive.signer, archive.file, CHAINS)


class TestSigner:
    async def test_is_one_for_the_installation(self, database: Database, tmp_path: Path) -> None:
        keyring = keyring_of(settings_for(tmp_path))
        first, second = Signer(database, keyring), Signer(database, keyring)
        key = await first.public_key()
        assert await second.public_key() == key
        signature = await second.sign(b"told")
        assert is_signed(b"told", signature, key)
        assert not is_signed(b"other", signature, key)
        assert not is_signed(b"told", signature, b"short")

    async def test_keeps_its_key_encrypted(self, database: Database, tmp_path: Path, owner_url: str) -> None:
        signer = Signer(database, keyring_of(settings_for(tmp_path)))
        await signer.public_key()
        with psycopg.connect(owner_url) as owner:
            row = owner.execute("SELECT encrypted_private_key FROM signing_key").fetchone()
        assert row is not None
        assert json.loads(bytes(row[0]))["v"] == 1


class TestSetting:
    def test_names_no_file_in_the_data_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SUBLET_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("SUBLET_SEAL_HEADS_FILE", str(tmp_path / "heads.jsonl"))
        with pytest.raises(SettingsInvalid, match=r"SUBLET_SEAL_HEADS_FILE: .* lies in the data directory"):
            read_settings()
        monkeypatch.setenv("SUBLET_SEAL_HEADS_FILE", str(tmp_path.parent / "heads.jsonl"))
        assert read_settings().seal_heads_file == tmp_path.parent / "heads.jsonl"
