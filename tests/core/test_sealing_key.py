"""The key of the `file` provider is made once, however many processes look for it at the same time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sublet.core.errors import SubletError
from sublet.core.sealing import FileKeyProvider, SealBroken, seal, unseal
from sublet.core.settings import SecretRef


class TestKeyFile:
    def test_is_made_once_by_many_at_the_same_time(self, tmp_path: Path) -> None:
        for number in range(20):
            path = tmp_path / f"{number}.key"
            with ThreadPoolExecutor(8) as pool:
                ids = {made.key_id for made in pool.map(FileKeyProvider.create_if_missing, [path] * 8)}
            assert len(ids) == 1
            assert path.stat().st_mode & 0o777 == 0o600
        assert len(list(tmp_path.iterdir())) == 20

    @pytest.mark.parametrize("content", ["", "canary", "ab" * 16, "ab" * 33])
    def test_that_is_none_is_refused_and_not_repeated(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "sealing.key"
        path.write_text(content)
        path.chmod(0o600)
        with pytest.raises(SubletError, match="does not hold a key") as refused:
            FileKeyProvider(SecretRef(f"file:{path}"))
        assert not content or content not in refused.value.detail

    def test_that_is_missing_or_open_to_others_says_what_to_do(self, tmp_path: Path) -> None:
        path = tmp_path / "sealing.key"
        with pytest.raises(SubletError, match="Create the file"):
            FileKeyProvider(SecretRef(f"file:{path}"))
        path.write_text("ab" * 32)
        path.chmod(0o640)
        with pytest.raises(SubletError, match="chmod 600"):
            FileKeyProvider(SecretRef(f"file:{path}"))


class TestSealing:
    def test_opens_only_in_the_place_it_was_made_for_and_with_its_key(self, tmp_path: Path) -> None:
        ours, other = (FileKeyProvider.create_if_missing(tmp_path / name) for name in ("one.key", "two.key"))
        place = {"table": "ssh_ca", "column": "private_key", "row": "ca_1"}
        sealed = seal(ours, b"canary", **place)
        assert unseal(ours, sealed, **place) == b"canary"
        assert b"canary" not in sealed
        for moved in ({"table": "x"}, {"column": "x"}, {"row": "x"}):
            with pytest.raises(SealBroken):
                unseal(ours, sealed, **{**place, **moved})
        with pytest.raises(SealBroken):
            unseal(other, sealed, **place)
        with pytest.raises(SealBroken):
            unseal(ours, sealed.replace(b'"data": "', b'"data": "AAAA'), **place)
