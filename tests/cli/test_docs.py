"""docs/cli.md tells the truth."""

import re

import click

from tests.cli.documented import PAGE, rerun, timeless
from tests.cli.test_tree import ALL


class TestPage:
    def test_has_a_section_for_every_command_and_for_nothing_else(self) -> None:
        sections = re.findall(r"^### `sublet ([^`]+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
        commands = [" ".join(path) for path, command, _ in ALL if not isinstance(command, click.Group)]
        assert sorted(sections) == sorted(commands)

    def test_shows_what_is_printed(self) -> None:
        assert timeless(rerun()) == timeless(PAGE.read_text(encoding="utf-8"))
