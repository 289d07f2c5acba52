"""The tree of commands: light to load, whole, documented."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sublet.cli.lazy import LazyGroup
from sublet.cli.main import cli
from tests.cli.running import Cli

HEAVY = ("httpx", "rich", "pydantic", "sqlalchemy", "fastapi", "asyncio", "ssl", "sublet.core", "sublet.entry")


def commands(group: click.Group, *path: str) -> list[tuple[tuple[str, ...], click.Command, str]]:
    """Every command below the group with its path and the line in its group's help."""
    assert isinstance(group, LazyGroup)
    found = []
    for name, (_, line) in group.lazy.items():
        command = group.get_command(click.Context(group), name)
        assert command is not None
        found.append(((*path, name), command, line))
        if isinstance(command, click.Group):
            found += commands(command, *path, name)
    return found


ALL = commands(cli)


class TestLightness:
    @pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["completion", "bash"], ["launch", "--help"]])
    def test_help_imports_nothing_heavy(self, arguments: list[str]) -> None:
        program = (
            "import sys\n"
            "from sublet.cli.main import cli\n"
            f"try: cli({arguments!r}, prog_name='sublet')\n"
            "except SystemExit as done: assert not done.code, done.code\n"
            f"found = [name for name in {HEAVY!r} if name in sys.modules]\n"
            "assert not found, found\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_nothing_of_the_server_is_imported_at_all(self) -> None:
        for path in Path(sys.modules["sublet.cli"].__path__[0]).rglob("*.py"):
            for line in path.read_text().splitlines():
                if line.strip().startswith(("from sublet.", "import sublet.")):
                    assert line.split()[1].startswith(("sublet.cli", "sublet.client")), f"{path}: {line}"


class TestHelp:
    @pytest.mark.parametrize(("path", "command", "line"), ALL, ids=[" ".join(path) for path, _, _ in ALL])
    def test_says_what_the_command_does(self, path: tuple[str, ...], command: click.Command, line: str) -> None:
        assert command.name == path[-1]
        assert line.endswith(".")
        assert line[0].isupper() or line.startswith("`")
        assert command.help

    @pytest.mark.parametrize("path", [path for path, command, _ in ALL if command.add_help_option])
    def test_can_be_asked_for_everywhere(self, path: tuple[str, ...]) -> None:
        result = CliRunner().invoke(cli, [*path, "--help"], prog_name="sublet")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: sublet {' '.join(path)}")

    def test_of_an_unknown_command_is_a_usage_error(self) -> None:
        assert CliRunner().invoke(cli, ["admin", "nonsense"]).exit_code == 2


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_prints_a_script_for_each_shell(self, shell: str) -> None:
        assert "_SUBLET_COMPLETE" in CliRunner().invoke(cli, ["completion", shell]).stdout

    def test_completes_commands_and_names(self, cli: Cli) -> None:
        cli.api.world.allocation("web-1", next(iter(cli.api.world.skus.values())))

        def completed(words: str, at: str) -> str:
            cli.extra |= {"_SUBLET_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": at}
            program = "from sublet.cli.main import main; main()"
            done = subprocess.run(
                [sys.executable, "-c", program], env=cli.env, capture_output=True, text=True, check=True
            )
            return done.stdout

        assert "plain,release" in completed("sublet rel", "1")
        assert "plain,web-1" in completed("sublet show we", "2")

    def test_completes_nothing_when_nobody_is_signed_in(self, stranger: Cli) -> None:
        stranger.extra |= {"_SUBLET_COMPLETE": "bash_complete", "COMP_WORDS": "sublet show w", "COMP_CWORD": "2"}
        program = "from sublet.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program], env=stranger.env, capture_output=True, text=True, check=True
        )
        assert (done.stdout.strip(), done.stderr) == ("", "")
