"""`sublet ssh` with the real OpenSSH on both sides."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sublet.cli.failures import Failure
from sublet.cli.known_hosts import authority_line, host_key_alias
from tests.cli.running import Cli
from tests.cli.sshd import Sshd, sshd, sshd_may_give_terminals


@pytest.fixture
def node(cli: Cli, web: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Its node."""
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        cli.api.world.certify = running.certify
        yield running


def files(cli: Cli) -> list[Path]:
    return sorted(path for path in (cli.home / "state" / "sublet").rglob("*") if path.is_file())


class TestConnecting:
    def test_runs_a_command_and_passes_its_output_through(self, cli: Cli, node: Sshd) -> None:
        result = cli.spawn("ssh", "web", "--", "echo out; echo err >&2")
        assert result.returncode == 0, result.stderr + node.log
        assert result.stdout == "out\n"
        assert result.stderr == "err\n"

    def test_passes_the_remote_code(self, cli: Cli, node: Sshd) -> None:
        assert cli.spawn("ssh", "web", "exit 42").returncode == 42

    def test_passes_standard_input(self, cli: Cli, node: Sshd) -> None:
        assert cli.spawn("ssh", "web", "cat", text="through\n").stdout == "through\n"

    def test_gives_a_terminal_when_asked(self, cli: Cli, node: Sshd) -> None:
        if not sshd_may_give_terminals():
            pytest.skip("an ordinary user's sshd gives terminals only where they belong to the group tty")
        code, shown = cli.on_terminal("ssh", "-t", "web", "--", "test -t 0 && echo terminal")
        assert code == 0
        assert "terminal" in shown

    def test_takes_an_id_and_an_option_of_openssh(self, cli: Cli, node: Sshd, web: dict[str, Any]) -> None:
        result = cli.spawn("ssh", web["id"], "-o", "SetEnv=LC_TEST=1", "true")
        assert result.returncode == 0, result.stderr

    def test_works_where_the_address_is_what_is_vouched_for(
        self, cli: Cli, web: dict[str, Any], tmp_path: Path
    ) -> None:
        (tmp_path / "sshd").mkdir()
        with sshd(tmp_path / "sshd", host_principal="127.0.0.1", known_hosts_name="127.0.0.1") as node:
            cli.api.world.certify = node.certify
            result = cli.spawn("ssh", "web", "true")
            assert result.returncode == 0, result.stderr

    def test_prints_a_configuration_that_openssh_can_use(self, cli: Cli, node: Sshd) -> None:
        config = cli.home / "config with % and blank"
        config.write_text(cli.run("ssh", "--config", "web").stdout)
        done = subprocess.run(
            ["ssh", "-F", str(config), "web", "echo there"], capture_output=True, text=True, check=False, timeout=20
        )
        assert done.stdout == "there\n", done.stderr

    def test_works_from_a_directory_with_blanks_and_percents(self, cli: Cli, node: Sshd) -> None:
        cli.extra["XDG_STATE_HOME"] = str(cli.home / "a state %h")
        result = cli.spawn("ssh", "web", "true")
        assert result.returncode == 0, result.stderr


class TestCertificates:
    def test_lie_where_only_the_user_reads_them(self, cli: Cli, node: Sshd) -> None:
        cli.spawn("ssh", "web", "true")
        for path in files(cli):
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            if path.name not in {"lock", "id_ed25519.pub"}:
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert {"id_ed25519", "id_ed25519-cert.pub", "known_hosts"} <= {path.name for path in files(cli)}

    def test_are_used_again_while_they_are_good(self, cli: Cli, node: Sshd) -> None:
        for _ in range(2):
            assert cli.spawn("ssh", "web", "true").returncode == 0
        assert len(node.issued) == 1

    def test_are_replaced_before_they_end(self, cli: Cli, node: Sshd) -> None:
        node.seconds = 20
        for _ in range(2):
            assert cli.spawn("ssh", "web", "true").returncode == 0
        assert len(node.issued) == 2
        assert len(set(node.issued)) == 1, "the key stays, only its certificate is new"

    def test_are_replaced_when_something_happened_to_the_allocation(
        self, cli: Cli, node: Sshd, web: dict[str, Any]
    ) -> None:
        cli.spawn("ssh", "web", "true")
        cli.api.world.begin(web, "resume")
        cli.spawn("ssh", "web", "true")
        assert len(node.issued) == 2

    def test_are_replaced_on_demand(self, cli: Cli, node: Sshd) -> None:
        cli.spawn("ssh", "web", "true")
        cli.spawn("ssh", "--renew", "web", "true")
        assert len(node.issued) == 2

    def test_of_several_at_once_share_one_key(self, cli: Cli, node: Sshd) -> None:
        running = [cli.start("ssh", "web", "--", "true") for _ in range(4)]
        codes = []
        for process in running:
            process.communicate(timeout=30)
            codes.append(process.returncode)
        assert codes == [0] * 4
        assert len(set(node.issued)) == 1

    def test_survive_damage(self, cli: Cli, node: Sshd) -> None:
        cli.spawn("ssh", "web", "true")
        next(path for path in files(cli) if path.name == "access.json").write_text("{")
        next(path for path in files(cli) if path.name == "id_ed25519").unlink()
        assert cli.spawn("ssh", "web", "true").returncode == 0

    def test_of_allocations_that_nobody_uses_are_removed(self, cli: Cli, node: Sshd) -> None:
        cli.spawn("ssh", "web", "true")
        old = files(cli)[0].parent.parent / "al_old"
        old.mkdir()
        os.utime(old, (0, 0))
        cli.spawn("ssh", "web", "true")
        assert not old.exists()


class TestRefusals:
    def test_a_changed_host_key_is_not_trusted(self, cli: Cli, node: Sshd) -> None:
        assert cli.spawn("ssh", "web", "true").returncode == 0
        node.change_host_key()
        result = cli.spawn("ssh", "web", "echo reached")
        assert result.returncode == 255
        assert "reached" not in result.stdout

    def test_a_certificate_of_a_rogue_authority_is_refused_by_the_node(self, cli: Cli, node: Sshd) -> None:
        cli.api.world.certify = lambda allocation, key: node.certify(allocation, key, ca=node.rogue_ca())
        assert cli.spawn("ssh", "web", "true").returncode == 255

    def test_an_option_of_the_user_cannot_switch_the_check_off(self, cli: Cli, node: Sshd) -> None:
        node.change_host_key()
        result = cli.spawn("ssh", "-o", "StrictHostKeyChecking=no", "web", "echo reached")
        assert result.returncode == 255
        assert "reached" not in result.stdout

    def test_the_users_own_configuration_changes_nothing(self, cli: Cli, node: Sshd) -> None:
        (cli.home / ".ssh").mkdir(mode=0o700)
        (cli.home / ".ssh" / "config").write_text("Host *\n  HostName 127.0.0.9\n  ForwardAgent yes\n")
        assert cli.spawn("ssh", "web", "true").returncode == 0
        assert "-F none" in cli.run("ssh", "--print", "web").stdout

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("host", "-oProxyCommand=touch /tmp/x"),
            ("host", "a b"),
            ("login", "-root"),
            ("login", "a\nProxyCommand x"),
            ("known_hosts", "* ssh-ed25519 AAAA"),
            ("known_hosts", "@cert-authority node-a ssh-ed25519 AAAA\n* ssh-ed25519 AAAA"),
            ("known_hosts", ""),
        ],
    )
    def test_a_server_that_answers_nonsense_makes_no_connection(
        self, cli: Cli, node: Sshd, field: str, value: str
    ) -> None:
        cli.api.world.certify = lambda allocation, key: {**node.certify(allocation, key), field: value}
        result = cli.spawn("ssh", "web", "true")
        assert result.returncode == 1
        assert "Accepted" not in node.log

    def test_of_what_is_not_active_is_a_conflict_that_says_what_to_do(
        self, cli: Cli, node: Sshd, web: dict[str, Any]
    ) -> None:
        for state, hint in (("suspended", "sublet resume web"), ("queued", "sublet show web --wait")):
            web["state"] = state
            result = cli.spawn("ssh", "web")
            assert result.returncode == 5
            assert hint in result.stderr
        assert node.issued == []

    def test_gives_the_servers_reason(self, cli: Cli, web: dict[str, Any]) -> None:
        web["actions"] = [{"name": "ssh", "allowed": False, "reason": "Your role may not log in."}]
        result = cli.run("ssh", "web")
        assert result.exit_code == 5
        assert "Your role may not log in." in result.stderr

    def test_of_nothing_exits_with_3(self, cli: Cli) -> None:
        assert cli.run("ssh", "nobody").exit_code == 3


class TestKnownHosts:
    @pytest.mark.parametrize(
        ("patterns", "alias"),
        [
            ("10.0.0.1", None),
            ("[10.0.0.1]:2222", None),
            ("10.0.0.*", None),
            ("node-a", "node-a"),
            ("*.other,node-a", "node-a"),
            ("node-a,10.0.0.1", None),
        ],
    )
    def test_tell_under_which_name_the_node_is_known(self, patterns: str, alias: str | None) -> None:
        line = authority_line(f"@cert-authority {patterns} ssh-ed25519 AAAA comment\n")
        assert host_key_alias(line, "10.0.0.1", 2222) == alias

    def test_that_vouch_for_others_only_are_refused(self) -> None:
        with pytest.raises(Failure):
            host_key_alias("@cert-authority *.other ssh-ed25519 AAAA", "10.0.0.1", 22)


def test_the_stored_access_holds_no_secret(cli: Cli, node: Sshd) -> None:
    cli.spawn("ssh", "web", "true")
    stored = json.loads(next(path for path in files(cli) if path.name == "access.json").read_text())
    assert set(stored) == {"host", "port", "login", "alias", "valid_before", "issued_for"}
