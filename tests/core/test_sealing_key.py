"""The key of the `file` provider is made once, however many processes look for it at the same time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sublet.core.sealing import FileKeyProvider


class TestKeyFile:
    def test_is_made_once_by_many_at_the_same_time(self, tmp_path: Path) -> None:
        for number in range(20):
            path = tmp_path / f"{number}.key"
            with ThreadPoolExecutor(8) as pool:
                ids = {made.key_id for made in pool.map(FileKeyProvider.create_if_missing, [path] * 8)}
            assert len(ids) == 1
            assert path.stat().st_mode & 0o777 == 0o600
        assert len(list(tmp_path.iterdir())) == 20
