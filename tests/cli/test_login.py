"""Signing in, and whose token goes where."""

import json
import stat
from pathlib import Path

import pytest

from tests.cli.running import Cli
from tests.client.fake_world import CUSTOMER_TOKEN, OPERATOR_TOKEN


def credentials(cli: Cli) -> Path:
    return cli.home / "config" / "sublet" / "credentials.json"


def token_file(cli: Cli, token: str = CUSTOMER_TOKEN) -> str:
    path = cli.home / "given"
    path.write_text(token)
    return str(path)


class TestLogin:
    def test_verifies_the_token_and_keeps_it_where_only_its_owner_reads_it(self, stranger: Cli) -> None:
        result = stranger.run("login", "--url", stranger.api.url, "--token-file", token_file(stranger))
        assert result.exit_code == 0
        assert result.stdout == ""
        assert "Signed in to" in result.stderr
        assert "ada@example.org" in result.stderr
        assert stat.S_IMODE(credentials(stranger).stat().st_mode) == 0o600
        assert stat.S_IMODE(credentials(stranger).parent.stat().st_mode) == 0o700
        assert stranger.run("whoami").exit_code == 0

    def test_asks_for_the_token_and_does_not_show_it(self, stranger: Cli) -> None:
        code, shown = stranger.on_terminal("login", "--url", stranger.api.url, typed=f"{CUSTOMER_TOKEN}\n")
        assert code == 0, shown
        assert CUSTOMER_TOKEN not in shown
        assert json.loads(credentials(stranger).read_text())["token"] == CUSTOMER_TOKEN

    def test_reads_standard_input_when_told_so(self, stranger: Cli) -> None:
        result = stranger.spawn("login", "--url", stranger.api.url, "--token-file", "-", text=CUSTOMER_TOKEN + "\n")
        assert result.returncode == 0, result.stderr

    def test_never_asks_where_there_is_no_terminal(self, stranger: Cli) -> None:
        result = stranger.spawn("login", "--url", stranger.api.url)
        assert result.returncode == 2
        assert "--token-file" in result.stderr

    def test_keeps_nothing_when_the_token_is_wrong(self, stranger: Cli) -> None:
        result = stranger.run("login", "--url", stranger.api.url, "--token-file", token_file(stranger, "sublet_wrong"))
        assert result.exit_code == 4
        assert "(req_0000000000000007)" in result.stderr
        assert not credentials(stranger).exists()

    def test_does_not_send_a_token_unencrypted_over_a_network(self, stranger: Cli) -> None:
        result = stranger.run("login", "--url", "http://sublet.invalid", "--token-file", token_file(stranger))
        assert result.exit_code == 2
        assert "not encrypted" in result.stderr

    @pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:x"])
    def test_says_what_is_no_address(self, stranger: Cli, url: str) -> None:
        result = stranger.run("login", "--url", url, "--token-file", token_file(stranger))
        assert result.exit_code == 1
        assert f"{url} does not answer like Sublet: Invalid port" in result.stderr

    def test_mends_what_was_stored(self, stranger: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sublet.cli.commands.login.DEFAULT_URL", stranger.api.url)
        credentials(stranger).parent.mkdir(parents=True)
        credentials(stranger).write_text("{")
        credentials(stranger).chmod(0o600)
        result = stranger.run("login", "--token-file", token_file(stranger))
        assert result.exit_code == 0
        assert "ada@example.org" in stranger.run("whoami").stdout

    def test_refuses_what_cannot_be_a_token(self, stranger: Cli) -> None:
        for wrong in ("", "two words", "naïve", "a\nb"):
            given = token_file(stranger, wrong)
            assert stranger.run("login", "--url", stranger.api.url, "--token-file", given).exit_code == 4
        assert stranger.api.seen == []

    def test_says_where_nobody_answers(self, stranger: Cli) -> None:
        result = stranger.run("login", "--url", "http://127.0.0.1:9", "--token-file", token_file(stranger))
        assert result.exit_code == 1
        assert "Nothing was changed" in result.stderr


class TestLogout:
    def test_forgets_token_keys_and_certificates(self, stranger: Cli) -> None:
        stranger.run("login", "--url", stranger.api.url, "--token-file", token_file(stranger))
        keys = stranger.home / "state" / "sublet" / "ssh" / "server" / "al_1"
        keys.mkdir(parents=True)
        result = stranger.run("logout")
        assert result.exit_code == 0
        assert "revoke it" in result.stderr
        assert not credentials(stranger).exists()
        assert not keys.exists()
        assert stranger.run("ls").exit_code == 4

    def test_of_somebody_who_is_not_signed_in_is_no_error(self, stranger: Cli) -> None:
        assert stranger.run("logout").exit_code == 0


class TestWhoami:
    def test_shows_person_organization_and_place(self, cli: Cli) -> None:
        result = cli.run("whoami")
        assert "Ada <ada@example.org>" in result.stdout
        assert "Acme (owner)" in result.stdout
        assert cli.api.url in result.stdout

    def test_gives_it_to_programs(self, cli: Cli) -> None:
        said = json.loads(cli.run("whoami", "--json").stdout)
        assert said["user"]["email"] == "ada@example.org"
        assert said["url"] == cli.api.url


class TestCredentials:
    def test_of_the_environment_win(self, stranger: Cli) -> None:
        stranger.run("login", "--url", stranger.api.url, "--token-file", token_file(stranger))
        stranger.sign_in(OPERATOR_TOKEN)
        assert "fleet" in stranger.run("whoami").stdout

    def test_are_not_sent_to_another_server_than_theirs(self, stranger: Cli) -> None:
        stranger.run("login", "--url", stranger.api.url, "--token-file", token_file(stranger))
        stranger.extra["SUBLET_URL"] = "http://127.0.0.1:9"
        result = stranger.run("whoami")
        assert result.exit_code == 4
        assert "was not sent" in result.stderr

    def test_of_the_environment_do_not_travel_unencrypted_over_a_network(self, cli: Cli) -> None:
        cli.extra["SUBLET_URL"] = "http://sublet.invalid"
        result = cli.run("whoami")
        assert result.exit_code == 2
        assert "It was not sent" in result.stderr
        assert "SUBLET_ALLOW_HTTP=1" in result.stderr

    def test_of_the_environment_travel_as_they_are_told(self, cli: Cli) -> None:
        cli.extra |= {"SUBLET_URL": "http://sublet.invalid:9", "SUBLET_ALLOW_HTTP": "1"}
        result = cli.run("whoami")
        assert result.exit_code == 1
        assert "is not encrypted" in result.stderr

    def test_stored_for_a_private_network_go_on_being_used(self, stranger: Cli) -> None:
        credentials(stranger).parent.mkdir(parents=True, mode=0o700)
        credentials(stranger).write_text(json.dumps({"url": "http://sublet.invalid:9", "token": CUSTOMER_TOKEN}))
        credentials(stranger).chmod(0o600)
        assert stranger.run("whoami").exit_code == 1

    def test_that_others_can_read_are_not_used(self, stranger: Cli) -> None:
        stranger.run("login", "--url", stranger.api.url, "--token-file", token_file(stranger))
        credentials(stranger).chmod(0o644)
        result = stranger.run("whoami")
        assert result.exit_code == 4
        assert "chmod 600" in result.stderr

    def test_that_are_damaged_say_what_to_do(self, stranger: Cli) -> None:
        credentials(stranger).parent.mkdir(parents=True)
        credentials(stranger).write_text("{")
        credentials(stranger).chmod(0o600)
        result = stranger.run("whoami")
        assert result.exit_code == 4
        assert "sublet login" in result.stderr

    def test_from_a_missing_file_say_which(self, cli: Cli) -> None:
        cli.extra["SUBLET_TOKEN_FILE"] = "/nowhere/token"
        result = cli.run("ls")
        assert result.exit_code == 4
        assert "/nowhere/token" in result.stderr
