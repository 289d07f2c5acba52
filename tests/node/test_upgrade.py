"""Another helper on a real node: kept if it is confirmed, gone by itself if not, and never put in place broken."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sublet.fleet.node_helper import Helper
from sublet.fleet.params import upgrade_params
from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused
from tests.support.helpers_of_nodes import variant

pytestmark = [pytest.mark.anyio, pytest.mark.node]

PATIENCE_SECONDS = 30
KEPT, INSTALLED = "/var/lib/sublet/helper", "/usr/local/sbin/sublet-node"
DIES = "def main() -> int:\n    raise SystemExit(7)"
DOES_NOT_START = "raise RuntimeError('broken')"


@pytest.fixture
def ours(helper: Path) -> Helper:
    """The helper that the node was enrolled with."""
    content = helper.read_bytes()
    return Helper("0.2.0", hashlib.sha256(content).hexdigest(), content)


@pytest.fixture(autouse=True)
async def as_before(north: Enrolled, ours: Helper) -> AsyncIterator[None]:
    """The node has our helper again for whoever comes next."""
    yield
    async with north.control.protocol(north.node) as channel:
        probe = await channel.ask("probe")
        if probe["helper_sha256"] != ours.sha256:
            await give(channel, ours)
            await channel.ask("confirm_upgrade", {"sha256": ours.sha256})


async def give(channel: Channel, helper: Helper, seconds: int = 300) -> dict[str, Any]:
    return await channel.ask("upgrade", upgrade_params(helper, seconds))


async def version_of(north: Enrolled) -> str:
    """The version that answers on a channel of its own; empty if none does."""
    try:
        async with north.control.protocol(north.node) as channel:
            return str((await channel.ask("probe"))["helper_version"])
    except (ConnectionError, ValueError, AssertionError):
        return ""


async def comes_back(north: Enrolled, ours: Helper) -> bool:
    """Whether our helper answers again within a while, though nobody asked for it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await version_of(north) != ours.version:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.2)
    return True


class TestAnUpgrade:
    async def test_is_served_by_channels_that_were_open_and_stays_once_it_is_confirmed(
        self, north: Enrolled, channel: Channel, ours: Helper
    ) -> None:
        newer = variant(ours.content, "0.3.0")
        async with north.control.protocol(north.node) as other:
            assert (await other.ask("probe"))["helper_sha256"] == ours.sha256
            assert await give(channel, newer) == {"helper_sha256": newer.sha256, "on_trial": True}
            assert await give(channel, newer) == {"helper_sha256": newer.sha256, "on_trial": True}
            for one in (channel, other):
                probe = await one.ask("probe")
                assert (probe["helper_version"], probe["helper_sha256"]) == ("0.3.0", newer.sha256)
                assert {item["name"]: item["enforced"] for item in probe["capabilities"]}["hidepid"] is True
            with pytest.raises(Refused) as pending:
                await give(other, ours)
            assert pending.value.code == "upgrade_pending"
            confirmed = {"helper_sha256": newer.sha256, "on_trial": False}
            assert await other.ask("confirm_upgrade", {"sha256": newer.sha256}) == confirmed
            assert await other.ask("undo_upgrade", {"sha256": newer.sha256}) == confirmed

    async def test_that_comes_again_is_waited_for_anew(self, north: Enrolled, channel: Channel, ours: Helper) -> None:
        newer = variant(ours.content, "0.3.7")
        ends = []
        for seconds in (60, 300, 4):
            await give(channel, newer, seconds=seconds)
            pending = await north.node.run_as_root("cat", f"{KEPT}/pending.json")
            ends.append(json.loads(pending.text)["until"])
        assert ends[2] < ends[0] < ends[1]
        # Somebody waits for the last one too, and takes it back when its time is over.
        assert await comes_back(north, ours)

    @pytest.mark.parametrize("as_it_is", ["nobody waits for it", "it was never put in place"])
    async def test_is_not_kept_out_by_a_trial_that_nobody_ends(
        self, north: Enrolled, channel: Channel, ours: Helper, as_it_is: str
    ) -> None:
        abandoned, newer = variant(ours.content, "0.3.8"), variant(ours.content, "0.3.9")
        await give(channel, abandoned)
        if as_it_is == "nobody waits for it":
            await north.node.run_as_root("pkill", "-9", "-f", "previous.pyz guard$")
        else:
            await north.node.run_as_root("cp", "-p", f"{KEPT}/previous.pyz", f"{INSTALLED}.cut")
            await north.node.run_as_root("mv", f"{INSTALLED}.cut", INSTALLED)
        assert await give(channel, newer) == {"helper_sha256": newer.sha256, "on_trial": True}
        await channel.ask("undo_upgrade", {"sha256": newer.sha256})
        assert (await channel.ask("probe"))["helper_sha256"] == ours.sha256

    async def test_is_undone_at_once_when_that_is_asked(self, channel: Channel, ours: Helper) -> None:
        newer = variant(ours.content, "0.3.1")
        await give(channel, newer)
        undone = await channel.ask("undo_upgrade", {"sha256": newer.sha256})
        assert undone == {"helper_sha256": ours.sha256, "on_trial": False}
        assert (await channel.ask("probe"))["helper_version"] == ours.version
        with pytest.raises(Refused) as late:
            await channel.ask("confirm_upgrade", {"sha256": newer.sha256})
        assert late.value.code == "upgrade_undone"

    async def test_with_which_nobody_can_speak_takes_itself_away(
        self, north: Enrolled, channel: Channel, ours: Helper
    ) -> None:
        mute = variant(ours.content, "0.3.2", rpc=DIES)
        await give(channel, mute, seconds=1)
        assert await comes_back(north, ours)

    async def test_that_is_not_what_was_announced_or_does_not_run_is_not_put_in_place(
        self, channel: Channel, ours: Helper
    ) -> None:
        newer = variant(ours.content, "0.3.3")
        broken = variant(ours.content, "0.3.4", rpc=DOES_NOT_START)
        misnamed = Helper("0.3.5", newer.sha256, newer.content)
        damaged = Helper("0.3.3", newer.sha256, newer.content[:-1])
        for helper, code in ((broken, "helper_refused"), (misnamed, "helper_refused"), (damaged, "helper_damaged")):
            with pytest.raises(Refused) as refused:
                await give(channel, helper)
            assert refused.value.code == code
            assert (await channel.ask("probe"))["helper_sha256"] == ours.sha256

    async def test_waits_while_an_allocation_is_being_changed(
        self, north: Enrolled, channel: Channel, ours: Helper
    ) -> None:
        held = "import fcntl,os,time; fd=os.open('/var/lib/sublet/locks/helper',os.O_RDWR|os.O_CREAT)\n"
        held += "fcntl.flock(fd,fcntl.LOCK_SH); open('/run/is-held','w').close()\n"
        held += (
            "end=time.monotonic()+60\nwhile os.path.exists('/run/is-held') and time.monotonic()<end: time.sleep(.05)"
        )
        holding = asyncio.create_task(north.node.run_as_root("python3", "-c", held))
        while "is-held" not in (await north.node.run_as_root("ls", "/run")).text:
            await asyncio.sleep(0.05)
        with pytest.raises(Refused) as busy:
            await give(channel, variant(ours.content, "0.3.6"))
        await north.node.run_as_root("rm", "/run/is-held")
        await holding
        assert (busy.value.code, busy.value.retryable) == ("busy", True)
        assert (await channel.ask("probe"))["helper_sha256"] == ours.sha256
