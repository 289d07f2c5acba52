"""The authorities' keys are opened before a transaction, kept for a while, and outlive the encryption key."""

import asyncio
import secrets
from pathlib import Path

import pytest

from sublet.core.db import Database, OpenSessionError
from sublet.core.key_files import FileKey, keyring_in
from sublet.core.keyring import Keyring, KeyUnknown
from sublet.core.settings import SecretRef
from sublet.fleet.ca import CaKind, CertificateAuthority, known_hosts_line, public_keys, public_line

pytestmark = pytest.mark.anyio


class CountingKey(FileKey):
    """A key that tells how often it was asked."""

    def __init__(self) -> None:
        super().__init__(bytes(32))
        self.unwrapped = 0

    async def unwrap(self, wrapped: bytes) -> bytes:
        self.unwrapped += 1
        await asyncio.sleep(0)  # as a key on another machine would
        return await super().unwrap(wrapped)


class TestASigner:
    async def test_is_opened_once_for_all_who_ask_within_a_while(self, database: Database) -> None:
        key = CountingKey()
        authority = CertificateAuthority(database, Keyring(lambda: [key]))
        await authority.ensure()
        signers = await asyncio.gather(*(authority.user_signer() for _ in range(10)))
        assert (key.unwrapped, len(set(signers))) == (1, 1)
        assert (await authority.host_signer()).key != signers[0].key
        assert key.unwrapped == 2

    async def test_is_opened_anew_when_the_while_is_over(self, database: Database) -> None:
        key = CountingKey()
        authority = CertificateAuthority(database, Keyring(lambda: [key]), opened_seconds=0)
        await authority.user_signer()
        await authority.user_signer()
        assert key.unwrapped == 2

    async def test_is_refused_while_a_session_is_open_also_when_it_is_in_memory(
        self, database: Database, authority: CertificateAuthority
    ) -> None:
        await authority.user_signer()
        await authority.host_signer()
        async with database.transaction():
            for ask in (authority.user_signer, authority.host_signer):
                with pytest.raises(OpenSessionError):
                    await ask()

    async def test_is_the_current_one_of_its_kind(self, database: Database, authority: CertificateAuthority) -> None:
        user, host = await authority.user_signer(), await authority.host_signer()
        async with database.reading() as session:
            assert public_line(user.key) == (await public_keys(session, CaKind.USER)).current
            assert public_line(host.key) == (await public_keys(session, CaKind.HOST)).current
            line = await known_hosts_line(session, "192.0.2.1", 2200)
        assert line == f"@cert-authority [192.0.2.1]:2200 {public_line(host.key)}"

    async def test_shows_no_key(self, authority: CertificateAuthority) -> None:
        assert repr(await authority.user_signer()) == "UserSigner(…)"
        assert repr(await authority.host_signer()) == "HostSigner(…)"


class TestTheEncryptionKey:
    async def test_may_change_and_the_authorities_stay(self, database: Database, tmp_path: Path) -> None:
        path, old, new = tmp_path / "encryption.key", secrets.token_hex(32), secrets.token_hex(32)

        def authority(*lines: str) -> CertificateAuthority:
            path.write_text("\n".join(lines))
            path.chmod(0o600)
            return CertificateAuthority(database, keyring_in(SecretRef(f"file:{path}")))

        before = (await authority(old).user_signer()).key
        assert public_line((await authority(new, old).user_signer()).key) == public_line(before)
        with pytest.raises(KeyUnknown):
            await authority(new).user_signer()
