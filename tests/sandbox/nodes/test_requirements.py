"""Packages are installed to the end, without starting a service, also when whoever asked for them is killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sublet_sandbox.nodes import requirements
from sublet_sandbox.nodes.commands import CommandFailed
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

APT = """#!/bin/sh
case "$*" in *install*) ;; *) exit 0 ;; esac
"{policy}"; echo "$?" > "{folder}/policy-said"
echo "Reading package lists" || exit 99
while [ -e "{folder}/hold" ]; do sleep 0.05; done
echo "Setting up" || exit 99
[ ! -e "{folder}/fail" ] || {{ echo "E: Unable to locate package no-such-package" >&2; exit 100; }}
echo whole > "{folder}/installed"
"""
"""Stands where apt-get is found first: the machine's own packages are not for tests to change."""

INSTALLER = """
import asyncio, sys
from pathlib import Path
from sublet_sandbox.nodes import requirements

requirements.POLICY = Path(sys.argv[1])
requirements.missing_packages = lambda kind: ["no-such-package"]
asyncio.run(requirements.install_requirements(print))
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which what happened is told, and a machine that lacks a package and has no policy of its own."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "apt-get"
    program.write_text(APT.format(policy=tmp_path / "policy-rc.d", folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(requirements, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(requirements, "missing_packages", lambda _: ["no-such-package"])
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return tmp_path


class TestInstalling:
    async def test_starts_no_service_and_leaves_no_policy(self, apt: Path) -> None:
        await requirements.install_requirements(print)
        assert (apt / "policy-said").read_text() == "101\n"
        assert (apt / "installed").exists()
        assert not (apt / "policy-rc.d").exists()

    async def test_that_fails_says_what_apt_said(self, apt: Path) -> None:
        (apt / "fail").touch()
        with pytest.raises(CommandFailed, match="Unable to locate package no-such-package"):
            await requirements.install_requirements(print)
        assert not (apt / "policy-rc.d").exists()

    async def test_leaves_a_policy_of_the_machines_own(self, apt: Path) -> None:
        own = apt / "policy-rc.d"
        own.write_text("#!/bin/sh\nexit 0\n")
        own.chmod(0o755)
        await requirements.install_requirements(print)
        assert (apt / "policy-said").read_text() == "0\n"
        assert own.read_text() == "#!/bin/sh\nexit 0\n"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages")
    def test_goes_on_to_its_end_when_its_owner_is_killed(self, apt: Path) -> None:
        (apt / "hold").touch()
        owner = subprocess.Popen([sys.executable, "-c", INSTALLER, str(apt / "policy-rc.d")], stdout=subprocess.PIPE)
        until("the policy", (apt / "policy-said").exists)
        owner.kill()
        owner.communicate()
        (apt / "hold").unlink()
        until("the end of the installation", (apt / "installed").exists)
        until("the policy to go", lambda: not (apt / "policy-rc.d").exists())
