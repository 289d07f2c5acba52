"""Files have names that say something, and a length that one can read at once."""

from pathlib import Path

import pytest

from tests.architecture.files import (
    LONGEST_CONSOLE_FILE,
    LONGEST_FILE,
    files_too_long,
    names_that_say_nothing,
    names_that_say_too_much,
)
from tests.architecture.source import CODE, ROOT, SANDBOX, files


class TestFiles:
    def test_have_names_that_say_something(self) -> None:
        places = (CODE, SANDBOX, ROOT / "tests", ROOT / "node")
        assert names_that_say_nothing([path for place in places for path in files(place)]) == []

    def test_with_a_name_that_says_nothing_are_caught(self) -> None:
        assert names_that_say_nothing([Path("src/sublet/billing/utils.py")])

    def test_have_names_that_say_one_thing(self) -> None:
        paths = [path.relative_to(ROOT) for folder in (CODE, ROOT / "node") for path in files(folder)]
        paths = [path for path in paths if "versions" not in path.parts]  # a migration is named for its domain
        assert names_that_say_too_much(paths) == []

    @pytest.mark.parametrize(
        "name", ["billing/accounts.py", "fleet/observed.py", "allocations/waiting.py", "core/set_aside.py"]
    )
    def test_with_a_name_that_says_more_are_caught(self, name: str) -> None:
        assert names_that_say_too_much([Path("src/sublet") / name])

    @pytest.mark.parametrize("name", ["billing/charges.py", "core/keyring.py", "supervisor/seed.py"])
    def test_with_a_noun_are_fine(self, name: str) -> None:
        assert names_that_say_too_much([Path("src/sublet") / name]) == []

    def test_are_no_longer_than_one_can_read(self) -> None:
        places = (SANDBOX, ROOT / "node", ROOT / "tests" / "architecture")
        paths = [*files(CODE, ".py", ".sql"), *(path for place in places for path in files(place))]
        assert files_too_long(paths, LONGEST_FILE) == []

    def test_of_the_console_are_shorter_still(self) -> None:
        generated = "schema.d.ts"
        paths = [path for path in files(ROOT / "console" / "src", ".ts", ".tsx") if path.name != generated]
        assert paths
        assert files_too_long(paths, LONGEST_CONSOLE_FILE) == []

    def test_that_grew_are_caught(self, tmp_path: Path) -> None:
        (tmp_path / "long.py").write_text("x = 1\n" * 401)
        assert files_too_long([tmp_path / "long.py"], LONGEST_FILE)
