"""Stand-in GPUs are devices that are nobody's."""

from pathlib import Path

from sublet_sandbox.nodes import gpus
from tests.support.nodes import require


class TestStandIns:
    def test_are_none_of_the_machines_devices_but_what_gives_nobody_anything(self, tmp_path: Path) -> None:
        require("systemd")
        made = gpus.plan("north", 2, workshop=tmp_path)
        assert len(made) == 2
        lines = [line.split() for line in Path("/proc/misc").read_text().splitlines()]
        of_others = {(10, int(number)) for number, name in lines if name != "tun"}
        assert [one for one in made if (one.major, one.minor) in of_others] == []
        processor, without_rights = 203, (10, 200)
        assert [one for one in made if one.major != processor and (one.major, one.minor) != without_rights] == []
        assert list(tmp_path.iterdir()) == []
