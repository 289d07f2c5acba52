"""What one was told, on the command line."""

import json

from tests.cli.running import Cli
from tests.client.fake_notice_routes import add_notice


class TestNotices:
    def test_are_listed_newest_first_with_what_is_unread(self, cli: Cli) -> None:
        assert "No notices yet." in cli.run("notices", "ls").stderr
        add_notice(cli.api.world, "An older one", read_at="2026-03-01T00:00:00Z")
        add_notice(cli.api.world)
        lines = cli.run("notices", "ls").stdout.splitlines()[1:]
        assert ["unread" in line for line in lines] == [True, False]
        assert "22 h 13 min" in lines[0]
        assert [one["title"] for one in json.loads(cli.run("notices", "ls", "--json").stdout)][1] == "An older one"
        assert len(cli.run("notices", "ls", "--unread", "-q").stdout.splitlines()) == 1

    def test_are_printed_and_marked_as_read(self, cli: Cli) -> None:
        told = add_notice(cli.api.world)
        result = cli.run("notices", "read", told["id"])
        first, *rest = result.stdout.split("\n\n")
        assert first == told["title"]
        assert rest[-1].startswith("Add funds: http://127.0.0.1")
        assert rest[-1].endswith("/billing\n")
        assert told["read_at"] is not None
        assert "Nothing is unread." in cli.run("notices", "ls", "--unread").stderr

    def test_are_all_marked_at_once(self, cli: Cli) -> None:
        assert "Marked as read: 0." in cli.run("notices", "read", "--all").stderr
        for _ in range(3):
            add_notice(cli.api.world)
        assert "Marked as read: 3." in cli.run("notices", "read", "--all").stderr

    def test_are_not_guessed(self, cli: Cli) -> None:
        for arguments in ((), ("ntc_1", "--all")):
            result = cli.run("notices", "read", *arguments)
            assert (result.exit_code, "Say which NOTICE, or --all." in result.stderr) == (2, True)
        assert cli.run("notices", "read", "ntc_nobody").exit_code == 3
