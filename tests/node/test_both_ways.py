"""Old and new, both ways: a helper and a control plane of different releases mean the same by what both know.

That a real node with the earlier helper serves this control plane is in `tests/fleet/test_real_node.py`; that this
helper serves the requests of an earlier one is what every test of a real node here does, for `Tenant` asks as they did.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sublet.fleet import answers
from sublet.fleet.backend import DesiredAccount, EvidenceCheck, Holder, Limits
from sublet.fleet.led_ports import DesiredPort
from sublet.fleet.params import apply_params
from tests.node.control_plane import Tenant
from tests.support.helpers_of_nodes import earlier_helper
from tests.support.nodes import build_helper

EARLIER = "0.1.0"
READ = """
import dataclasses, json, sys
sys.path.insert(0, sys.argv[1])
from sublet_node import request
asked = json.load(sys.stdin)
print(json.dumps({
    "apply": dataclasses.asdict(request.desired(asked)),
    "release": [dataclasses.asdict(request.subject(asked)), request.same_organization(asked)],
}))
"""

# As a helper of 0.1.0 answers.
ENFORCED = {"limit": "cpu", "requested": 50, "value": "50%", "enforced": True, "detail": "cpu.max"}
APPLIED = {"uid": 200_000, "home": "/home/al-x", "slice": "user-200000.slice", "state": "active", "login_open": True}
APPLIED |= {"login": "al-x", "enforced": [ENFORCED], "boot_id": "b"}
RELEASED = {"clean": True, "checks": [{"name": "account", "clean": True, "detail": "gone"}]}
LISTED = {"allocation": "al_x", "login": "al-x", "uid": 200_000, "state": "active", "generation": 1, "login_open": True}
LISTED |= {"processes": 0, "sessions": 0}
OBSERVED = {"boot_id": "b", "time": "2026-01-01T00:00:00+00:00", "disk_free_gib": 1, "inodes_free": 1}
OBSERVED |= {"allocations": [LISTED], "unknown": []}
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def helpers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The earlier helper and this one."""
    folder = tmp_path_factory.mktemp("helpers")
    return earlier_helper(EARLIER, folder / "earlier.pyz"), build_helper(folder / "this.pyz")


def read_by(helper: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What a helper takes a request to mean."""
    given = [sys.executable, "-I", "-c", READ, str(helper)]
    done = subprocess.run(given, input=json.dumps(asked), capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def parts(meant: dict[str, Any], before: str = "") -> dict[str, Any]:
    """The same, flat: by the path of each."""
    found: dict[str, Any] = {}
    for name, value in meant.items():
        if isinstance(value, dict) and value:
            found |= parts(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


class TestRequests:
    def test_of_an_earlier_control_plane_mean_the_same_to_this_helper_and_nothing_more(
        self, helpers: tuple[Path, Path]
    ) -> None:
        asked = Tenant().desired()
        earlier, this = (parts(read_by(helper, asked)) for helper in helpers)
        assert {name: this[name] for name in earlier} == earlier
        more = {name: value for name, value in this.items() if name not in earlier}
        new = {"apply.limits.network_bits_per_second": 0, "apply.ports": [], "apply.environment": {}}
        new |= {"apply.node_network": False, "apply.gives_back": False, "apply.same_organization": []}
        assert more == new

    def test_of_this_control_plane_mean_to_an_earlier_helper_what_it_knows_of_them(
        self, helpers: tuple[Path, Path]
    ) -> None:
        tenant, mate = Tenant(), Tenant().login
        account = DesiredAccount(
            allocation_id=tenant.allocation,
            login=tenant.login,
            uid=tenant.uid,
            generation=3,
            state="suspended",
            limits=Limits(cpu_percent=150, memory_mib=256, tasks_max=64, disk_gib=2, network_bits_per_second=1_000_000),
            gpus=("GPU-1",),
            authorized_keys=(f"ssh-ed25519 {'A' * 68}",),
            disconnect_generation=2,
            environment={"MODE": "new"},
            ports=(DesiredPort("tcp", 80, 30_000),),
            same_organization=(mate,),
        )
        asked = {**apply_params(account), "of_a_later_release": True}
        earlier, this = (parts(read_by(helper, asked)) for helper in helpers)
        assert {name: this[name] for name in earlier} == earlier
        assert this["apply.environment.MODE"] == "new"
        assert this["apply.same_organization"] == [mate]


class TestAnswers:
    def test_of_an_earlier_helper_say_nothing_of_what_it_does_not_know(self) -> None:
        applied = answers.read(answers.Applied, "apply", APPLIED).to_state(AT)
        assert (applied.login, applied.ports, applied.given_back, applied.kept) == ("al-x", (), (), ())
        assert answers.read(answers.Released, "release", RELEASED).to_evidence(AT).checks[0].holders == ()
        observed = answers.read(answers.Observed, "observe", OBSERVED).to_observation("nd_x", AT)
        assert (observed.gpus, observed.doors, observed.unreadable) == (None, None, ())
        assert observed.allocations[0].oom_kills is None

    def test_of_this_helper_say_who_uses_what_is_suspended(self) -> None:
        holder = {"pid": 41, "login": "al-y", "name": "train", "what": "a GPU"}
        check = {"name": "held", "clean": False, "detail": "Left: a GPU", "holders": [holder]}
        applied = answers.read(answers.Applied, "apply", {**APPLIED, "kept": [check]}).to_state(AT)
        assert applied.kept == (EvidenceCheck("held", False, "Left: a GPU", (Holder(41, "al-y", "train", "a GPU"),)),)

    @pytest.mark.parametrize(
        ("shape", "answer"),
        [(answers.Applied, APPLIED), (answers.Released, RELEASED), (answers.Observed, OBSERVED)],
        ids=["apply", "release", "observe"],
    )
    def test_of_a_later_helper_are_read_as_far_as_they_are_known(
        self, shape: type[answers.Applied], answer: dict[str, Any]
    ) -> None:
        later = {**answer, "of_a_later_release": {"any": ["thing"]}}
        assert answers.read(shape, "any", later) == answers.read(shape, "any", answer)
