"""Keys by id: each opens what it encrypted, the current one encrypts, and none is asked inside a transaction."""

import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sublet.core.db import Database, OpenSessionError
from sublet.core.encryption import DataKey, decrypt, encrypt
from sublet.core.errors import SubletError
from sublet.core.key_files import KeyFileUnusable, keyring_at, keyring_in
from sublet.core.keyring import DecryptionFailed, Keyring, KeyUnknown
from sublet.core.settings import SecretRef

pytestmark = pytest.mark.anyio

PLACE = {"table": "ssh_ca_key", "column": "encrypted_private_key", "row": "ca_1"}


def ring(path: Path, *lines: str) -> Keyring:
    path.write_text("".join(f"{line}\n" for line in lines))
    path.chmod(0o600)
    return keyring_in(SecretRef(f"file:{path}"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "encryption.key"


@pytest.fixture
def old() -> str:
    return secrets.token_hex(32)


@pytest.fixture
def new() -> str:
    return secrets.token_hex(32)


class TestKeyFile:
    def test_is_made_once_by_many_at_the_same_time(self, tmp_path: Path) -> None:
        for number in range(20):
            path = tmp_path / f"{number}.key"
            with ThreadPoolExecutor(8) as pool:
                ids = {made.current.key_id for made in pool.map(keyring_at, [path] * 8)}
            assert len(ids) == 1
            assert path.stat().st_mode & 0o777 == 0o600
        assert len(list(tmp_path.iterdir())) == 20

    def test_that_is_there_is_left_as_it_is(self, path: Path, old: str) -> None:
        before = ring(path, old)
        assert keyring_at(path).current.key_id == before.current.key_id
        assert path.read_text() == f"{old}\n"

    @pytest.mark.parametrize("content", ["", "\n# nothing but words\n", "canary", "ab" * 16, "ab" * 33])
    def test_that_is_none_is_refused_and_not_repeated(self, path: Path, content: str) -> None:
        with pytest.raises(KeyFileUnusable, match="does not hold a key") as refused:
            ring(path, content)
        assert not content or content not in refused.value.detail

    def test_of_which_one_line_is_damaged_is_refused_by_the_lines_number(self, path: Path, old: str, new: str) -> None:
        with pytest.raises(KeyFileUnusable, match="Line 3 of") as refused:
            ring(path, new, "", old[:-1])
        assert old[:-1] not in refused.value.detail

    def test_that_is_missing_says_what_to_do(self, path: Path) -> None:
        with pytest.raises(SubletError, match="Create the file"):
            keyring_in(SecretRef(f"file:{path}"))

    @pytest.mark.parametrize("mode", [0o640, 0o604])
    def test_that_others_can_read_is_refused(self, path: Path, old: str, mode: int) -> None:
        ring(path, old)
        path.chmod(mode)
        with pytest.raises(KeyFileUnusable, match="chmod 600"):
            keyring_in(SecretRef(f"file:{path}"))

    def test_gives_the_same_key_the_same_id_wherever_it_lies(self, tmp_path: Path, old: str, new: str) -> None:
        here, there = ring(tmp_path / "here", old), ring(tmp_path / "there", "# copied", "", f" {old} ")
        assert here.current.key_id == there.current.key_id
        assert ring(tmp_path / "other", new).current.key_id != here.current.key_id
        assert old not in here.current.key_id


class TestEncrypting:
    async def test_opens_only_in_the_place_it_was_made_for(self, path: Path) -> None:
        keyring = keyring_at(path)
        encrypted = await encrypt(keyring, b"canary", **PLACE)
        assert await decrypt(keyring, encrypted, **PLACE) == b"canary"
        assert b"canary" not in encrypted
        for moved in ({"table": "x"}, {"column": "x"}, {"row": "x"}):
            with pytest.raises(DecryptionFailed):
                await decrypt(keyring, encrypted, **{**PLACE, **moved})

    @pytest.mark.parametrize(
        "damage",
        [
            lambda encrypted: encrypted.replace(b'"data": "', b'"data": "AAAA'),
            lambda encrypted: encrypted.replace(b'"nonce": "', b'"nonce": "AAAA'),
            lambda encrypted: encrypted.replace(b'"wrapped": "', b'"wrapped": "AAAA'),
            lambda encrypted: encrypted.replace(b'"wrapped": "', b'"wrapped": "AAAA", "was": "'),
            lambda encrypted: encrypted.replace(b'"key"', b'"kez"'),
            lambda encrypted: encrypted[:-1],
            lambda encrypted: b"[]",
        ],
    )
    async def test_that_was_changed_opens_nothing(self, path: Path, damage: Callable[[bytes], bytes]) -> None:
        keyring = keyring_at(path)
        with pytest.raises(DecryptionFailed):
            await decrypt(keyring, damage(await encrypt(keyring, b"canary", **PLACE)), **PLACE)

    async def test_names_its_key_which_cannot_be_changed_for_another(self, path: Path, old: str, new: str) -> None:
        first = ring(path, old)
        encrypted = await encrypt(first, b"canary", **PLACE)
        both = ring(path, new, old)
        other = both.current.key_id.encode()
        with pytest.raises(DecryptionFailed):
            await decrypt(both, encrypted.replace(first.current.key_id.encode(), other), **PLACE)


class TestSeveralKeys:
    async def test_a_new_one_encrypts_and_the_old_one_still_opens(self, path: Path, old: str, new: str) -> None:
        before = ring(path, old)
        encrypted = await encrypt(before, b"canary", **PLACE)
        after = ring(path, "# since today", new, "# before", old)
        assert after.current.key_id != before.current.key_id
        assert await decrypt(after, encrypted, **PLACE) == b"canary"
        again = await encrypt(after, b"canary", **PLACE)
        assert after.current.key_id.encode() in again
        assert await decrypt(ring(path, new), again, **PLACE) == b"canary"

    async def test_a_value_whose_key_is_gone_names_it_and_says_what_to_do(self, path: Path, old: str, new: str) -> None:
        gone = ring(path, old)
        encrypted = await encrypt(gone, b"canary", **PLACE)
        present = ring(path, new)
        with pytest.raises(KeyUnknown) as unknown:
            await decrypt(present, encrypted, **PLACE)
        assert unknown.value.code == "encryption_key_unknown"
        assert gone.current.key_id in unknown.value.detail
        assert f"it has {present.current.key_id}" in unknown.value.detail
        assert "put that key back into the key file" in unknown.value.detail

    async def test_a_key_that_another_process_began_to_use_is_found(self, path: Path, old: str, new: str) -> None:
        started_before = ring(path, old)
        encrypted = await encrypt(ring(path, new, old), b"canary", **PLACE)
        assert await decrypt(started_before, encrypted, **PLACE) == b"canary"
        assert started_before.current.key_id == ring(path, new).current.key_id


class TestWhileASessionIsOpen:
    @pytest.fixture(params=["transaction", "reading"])
    def opening(self, database: Database, request: pytest.FixtureRequest) -> Callable[[], object]:
        opening: Callable[[], object] = getattr(database, request.param)
        return opening

    async def test_no_key_is_asked(self, path: Path, opening: Callable[[], "object"]) -> None:
        keyring = keyring_at(path)
        encrypted = await encrypt(keyring, b"canary", **PLACE)
        wrapped = await keyring.wrap(bytes(32))
        asked: list[Callable[[], Awaitable[object]]] = [
            lambda: keyring.wrap(bytes(32)),
            lambda: keyring.unwrap(wrapped),
            lambda: encrypt(keyring, b"canary", **PLACE),
            lambda: decrypt(keyring, encrypted, **PLACE),
        ]
        async with opening():  # type: ignore[attr-defined]
            for ask in asked:
                with pytest.raises(OpenSessionError, match="the keyring must not be called"):
                    await ask()
        assert await decrypt(keyring, encrypted, **PLACE) == b"canary"

    async def test_a_key_wrapped_before_encrypts(self, path: Path, opening: Callable[[], "object"]) -> None:
        keyring = keyring_at(path)
        data_key = await DataKey.new(keyring)
        async with opening():  # type: ignore[attr-defined]
            encrypted = data_key.encrypt(b"canary", **PLACE)
        assert await decrypt(keyring, encrypted, **PLACE) == b"canary"
