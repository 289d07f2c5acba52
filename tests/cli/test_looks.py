"""How output looks: on a terminal, in a pipe, to programs."""

import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sublet.cli import formats, output
from sublet.cli.timebar import CELLS, fraction
from tests.cli.running import PROGRAM, Cli

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def web(cli: Cli) -> dict[str, Any]:
    """An allocation with a long name."""
    return cli.api.world.allocation(
        "a-name-that-is-rather-long-for-a-narrow-window", next(iter(cli.api.world.skus.values()))
    )


class TestTerminal:
    def test_has_colour_shapes_and_the_time_bar(self, cli: Cli, web: dict[str, Any]) -> None:
        _, shown = cli.on_terminal("ls", columns=160)
        assert "\x1b[32m● active" in shown
        assert "━━━" in shown
        assert "───" in shown

    def test_has_no_colour_where_it_is_not_wanted(self, cli: Cli, web: dict[str, Any]) -> None:
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            _, shown = cli.on_terminal("ls", columns=160, env=env)
            assert not ANSI.search(shown)
            assert "● active" in shown

    @pytest.mark.parametrize("columns", [100, 80, 60])
    def test_table_stays_within_the_window(self, cli: Cli, web: dict[str, Any], columns: int) -> None:
        _, shown = cli.on_terminal("ls", columns=columns)
        lines = ANSI.sub("", shown).splitlines()
        assert max(len(line) for line in lines) <= columns
        assert "COST" in lines[0]
        assert "…" in lines[1]

    def test_progress_of_a_launch_ends_with_every_step(self, cli: Cli) -> None:
        code, shown = cli.on_terminal("launch", "cpu-small", "--name", "web")
        assert code == 0
        plain = ANSI.sub("", shown)
        assert "done    apply limits" in plain
        assert "sublet ssh web" in plain


class TestPipe:
    def test_table_is_never_cut(self, cli: Cli, web: dict[str, Any]) -> None:
        cli.extra["COLUMNS"] = "20"
        shown = cli.spawn("ls").stdout
        assert web["name"] in shown
        assert not ANSI.search(shown)
        assert all(line == line.rstrip() for line in shown.splitlines())

    def test_data_and_messages_go_different_ways(self, cli: Cli) -> None:
        result = cli.spawn("launch", "cpu-small", "--name", "web", "--json")
        assert json.loads(result.stdout)["name"] == "web"
        assert "Launching web" in result.stderr

    def test_that_closes_early_makes_no_noise(self, cli: Cli) -> None:
        sku = next(iter(cli.api.world.skus.values()))
        for number in range(9):
            cli.api.world.allocation(f"web-{number}", sku)
        reading, writing = os.pipe()
        os.close(reading)
        process = subprocess.run([*PROGRAM, "ls"], env=cli.env, stdout=writing, stderr=subprocess.PIPE, check=False)
        os.close(writing)
        assert process.stderr == b""

    def test_exit_codes_reach_the_shell(self, cli: Cli) -> None:
        assert cli.spawn("show", "nobody").returncode == 3
        assert cli.spawn("nonsense").returncode == 2
        cli.extra["SUBLET_TOKEN_FILE"] = "/nowhere"
        assert cli.spawn("ls").returncode == 4

    def test_wide_characters_keep_the_columns_straight(self, cli: Cli) -> None:
        sku = cli.api.world.add_sku("wide", "1.00", name="東京")
        lines = cli.run("offers").stdout.splitlines()
        assert sku["code"] in lines[-1]
        # Two characters that take two cells each: the line is two characters shorter where the columns agree.
        assert lines[-1].index("4 GiB") == lines[1].index("4 GiB") - 2


class TestFormats:
    @pytest.mark.parametrize(
        ("amount", "shown"),
        [
            ("0.36", "0.36"),
            ("0.3600", "0.36"),
            ("2.4", "2.40"),
            ("0.12345", "0.1234"),
            ("0.000001", "0.000001"),
            ("0", "0.00"),
        ],
    )
    def test_rates_have_two_to_four_places(self, amount: str, shown: str) -> None:
        assert formats.rate({"amount": amount, "currency": "USD", "per": "hour"}) == f"{shown} USD/h"

    @pytest.mark.parametrize(
        ("amount", "shown"),
        [
            ("12.345678", "12.34"),
            ("19.999999", "19.99"),
            ("-1.8475", "-1.84"),
            ("-1.2", "-1.20"),
            ("0.005", "<0.01"),
            ("-0.005", ">-0.01"),
            ("-0.00", "0.00"),
        ],
    )
    def test_money_has_two_places_and_is_never_more_than_there_is(self, amount: str, shown: str) -> None:
        assert formats.money({"amount": amount, "currency": "EUR"}) == f"{shown} EUR"

    @pytest.mark.parametrize(
        ("seconds", "shown"),
        [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 00 s"),
            (3900, "1 h 05 min"),
            (100000, "1 d 03 h"),
            (-5, "0 s"),
            (None, "–"),
        ],
    )
    def test_durations_read_like_speech(self, seconds: int | None, shown: str) -> None:
        assert formats.duration(seconds) == shown

    def test_times_are_relative_within_a_day(self) -> None:
        now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        assert formats.since("2026-03-01T11:55:00Z", now=now) == "5 min ago"
        assert formats.since("2026-03-01T13:05:00Z", now=now) == "in 1 h 05 min"
        assert "2026-02-2" in formats.since((now - timedelta(days=3)).isoformat(), now=now)

    def test_sizes_are_binary(self) -> None:
        assert [formats.mebibytes(size) for size in (512, 1024, 1536, 1048576)] == [
            "512 MiB",
            "1 GiB",
            "1.5 GiB",
            "1024 GiB",
        ]

    def test_the_time_bar_is_the_part_of_paid_time_that_is_over(self) -> None:
        assert fraction(3600, 3600) == 0.5
        assert fraction(0, None) == 1.0
        assert fraction(5, 0) == 1.0
        assert round(CELLS * fraction(1, 10**9)) == 0


class TestALongTable:
    def test_ends_where_nobody_reads_on_and_json_has_all(self, operator: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(output, "SHOWN", 3)
        for number in range(7):
            operator.api.world.add_node(name=f"rack-{number}", address=f"10.0.0.{number}")
        told = operator.run("admin", "node", "ls")
        assert len(told.stdout.splitlines()) == 1 + 3
        assert "Only the first 3 are shown" in told.stderr
        assert len(json.loads(operator.run("admin", "node", "ls", "--json").stdout)) == len(operator.api.world.nodes)
        assert "rack-6" in operator.run("admin", "node", "show", "rack-6").stdout
