"""What is suspended gives back memory and GPUs, shows that it has, and gets others when it is resumed."""

from typing import Any

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused, Tenant
from tests.node.test_cooperating import keeping, opening
from tests.node.test_limits import run_as
from tests.node.test_release_of_gpus import busy_first_gpu

pytestmark = [pytest.mark.anyio, pytest.mark.node]

SHARED = "/dev/shm/left"


def unclean(observed: dict[str, Any]) -> list[str]:
    return [check["name"] for check in observed["given_back"] if not check["clean"]]


async def acl(enrolled: Enrolled, index: int) -> str:
    return (await enrolled.node.run_as_root("getfacl", "-npc", enrolled.node.gpus[index].device)).text


class TestGivingBack:
    async def test_takes_gpu_and_memory_and_leaves_the_disk(self, north: Enrolled, channel: Channel) -> None:
        tenant, other = Tenant(), Tenant()
        first, second = (gpu.uuid for gpu in north.node.gpus[:2])
        await channel.ask("apply", tenant.desired(gpus=[first]), generation=1)
        leave = f"head -c 64M /dev/zero > {SHARED}; echo mine > kept; ls -l {SHARED} | wc -l"
        assert await run_as(north, tenant, leave) == ("1\n", 0)
        observed = await channel.ask("apply", tenant.desired(gpus=[first], state="suspended"), generation=2)
        assert observed["given_back"] == []
        assert f"user:{tenant.uid}:rw-" in await acl(north, 0)
        observed = await channel.ask("apply", tenant.desired(state="suspended", gives_back=True), generation=3)
        assert [check["name"] for check in observed["given_back"]] == ["processes", "held", "memory", "gpu"]
        assert unclean(observed) == []
        assert str(tenant.uid) not in await acl(north, 0)
        # Another has it, and it comes back to another one.
        await channel.ask("apply", other.desired(gpus=[first]), generation=1)
        observed = await channel.ask("apply", tenant.desired(gpus=[second]), generation=4)
        assert f"user:{tenant.uid}:rw-" in await acl(north, 1)
        assert str(tenant.uid) not in await acl(north, 0)
        [devices] = [one for one in observed["enforced"] if one["limit"] == "devices"]
        assert (devices["requested"], devices["enforced"]) == (second, True)
        assert await run_as(north, tenant, f"cat kept; ls {SHARED} 2>&1 | grep -c 'No such'") == ("mine\n1\n", 0)
        for one, generation in ((tenant, 5), (other, 2)):
            assert (await channel.ask("release", one.subject, generation=generation))["clean"] is True

    async def test_of_a_busy_gpu_is_not_shown_until_it_is_idle(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        suspended = tenant.desired(state="suspended", gives_back=True)
        async with busy_first_gpu(north) as gpu:
            await channel.ask("apply", tenant.desired(gpus=[gpu]), generation=1)
            for generation in (2, 3):
                assert unclean(await channel.ask("apply", suspended, generation=generation)) == ["gpu"]
        assert unclean(await channel.ask("apply", suspended, generation=4)) == []
        assert (await channel.ask("release", tenant.subject, generation=5))["clean"] is True

    async def test_of_a_gpu_that_another_holds_names_who_does(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        async with opening(north, channel) as opened, keeping(north, opened, tenant.uid, [("GPU", "inherited")]) as had:
            away = opened.tenant.desired(state="suspended", gives_back=True)
            [held] = [one for one in (await channel.ask("apply", away, generation=2))["given_back"] if not one["clean"]]
            assert held["name"] == "held"
            assert [(one["pid"], one["login"]) for one in held["holders"]] == [(had[0].pid, tenant.login)]
        assert unclean(await channel.ask("apply", away, generation=2)) == []
        assert (await channel.ask("release", opened.tenant.subject, generation=3))["clean"] is True

    @pytest.mark.parametrize("way", ["inherited", "mapped", "in_flight"])
    async def test_of_a_little_memory_that_another_holds_is_not_shown(
        self, north: Enrolled, channel: Channel, tenant: Tenant, way: str
    ) -> None:
        """It is far less than what the kernel keeps of a login that stays."""
        await channel.ask("apply", tenant.desired(), generation=1)
        async with opening(north, channel) as opened, keeping(north, opened, tenant.uid, [("memory", way)]) as had:
            away = opened.tenant.desired(state="suspended", gives_back=True)
            observed = await channel.ask("apply", away, generation=2)
            assert unclean(observed) == ["held"]
            [held] = [one for one in observed["given_back"] if one["name"] == "held"]
            assert {(one["pid"], one["login"]) for one in held["holders"]} == {(had[0].pid, tenant.login)}
            assert "a piece of memory" in held["detail"]
        assert unclean(await channel.ask("apply", away, generation=2)) == []
        assert (await channel.ask("release", opened.tenant.subject, generation=3))["clean"] is True

    @pytest.mark.parametrize("wrong", [{"state": "active"}, {"state": "suspended", "gpus": ["GPU-1"]}])
    async def test_is_for_what_is_suspended_and_has_no_gpu(self, channel: Channel, wrong: dict[str, Any]) -> None:
        with pytest.raises(Refused, match="bad_request"):
            await channel.ask("apply", Tenant().desired(gives_back=True, **wrong), generation=1)

    async def test_of_a_whole_node_lets_another_have_its_network(self, north: Enrolled, channel: Channel) -> None:
        tenant, other = Tenant(), Tenant()
        await channel.ask("apply", tenant.desired(node_network=True), generation=1)
        with pytest.raises(Refused, match="not_alone"):
            await channel.ask("apply", other.desired(node_network=True), generation=1)
        away = tenant.desired(node_network=True, state="suspended", gives_back=True)
        assert unclean(await channel.ask("apply", away, generation=2)) == []
        await channel.ask("apply", other.desired(node_network=True), generation=2)
        with pytest.raises(Refused, match="not_alone"):
            await channel.ask("apply", tenant.desired(node_network=True), generation=3)
        assert (await channel.ask("release", other.subject, generation=3))["clean"] is True
        await channel.ask("apply", tenant.desired(node_network=True), generation=4)
        assert (await channel.ask("release", tenant.subject, generation=5))["clean"] is True

    @pytest.mark.parametrize("whole", [True, False], ids=["whole_node", "ordinary"])
    async def test_of_a_whole_node_is_repeated_beside_who_came_after(
        self, north: Enrolled, channel: Channel, *, whole: bool
    ) -> None:
        tenant, other = Tenant(), Tenant()
        running = tenant.desired(node_network=True)
        away = tenant.desired(node_network=True, state="suspended", gives_back=True)
        there = other.desired(node_network=whole)
        gone = other.desired(node_network=whole, state="suspended")
        await channel.ask("apply", running, generation=1)
        await channel.ask("apply", away, generation=2)
        for _ in range(2):
            assert (await channel.ask("apply", there, generation=2))["login_open"] is True
            assert unclean(await channel.ask("apply", away, generation=2)) == []
        # Whoever was refused stays out, and nobody is kept away by that.
        with pytest.raises(Refused, match="not_alone"):
            await channel.ask("apply", running, generation=3)
        assert (await channel.ask("apply", there, generation=2))["login_open"] is True
        for _ in range(2):
            assert (await channel.ask("apply", gone, generation=3))["login_open"] is False
            assert unclean(await channel.ask("apply", away, generation=4)) == []
        await channel.ask("apply", running, generation=5)
        # Once more the other way round: it is suspended last, and closed beside who is there.
        with pytest.raises(Refused, match="not_alone"):
            await channel.ask("apply", there, generation=4)
        assert (await channel.ask("apply", gone, generation=5))["login_open"] is False
        assert (await channel.ask("apply", running, generation=5))["login_open"] is True
        for one in (tenant, other):
            assert (await channel.ask("release", one.subject, generation=6))["clean"] is True


class TestKeeping:
    """What is suspended and keeps its GPUs: nobody computes on them, or it is said who does."""

    async def test_ends_what_its_own_organization_computes_there_and_names_others(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        gpu = north.node.gpus[1].uuid
        await channel.ask("apply", tenant.desired(), generation=1)
        kinds = [("GPU", "inherited"), ("file", "inherited")]
        async with opening(north, channel) as opened, keeping(north, opened, tenant.uid, kinds) as had:
            held_by = {one.kind: one.pid for one in had}
            away = opened.tenant.desired(state="suspended", gpus=[gpu])
            for _ in range(2):
                observed = await channel.ask("apply", away, generation=2)
                [held] = observed["kept"]
                assert (observed["given_back"], held["clean"]) == ([], False)
                found = [(one["pid"], one["login"], one["what"].partition(" (")[0]) for one in held["holders"]]
                assert found == [(held_by["GPU"], tenant.login, "a GPU")], "files are its own to share"
            observed = await channel.ask("apply", {**away, "same_organization": [tenant.login]}, generation=3)
            assert [check["clean"] for check in observed["kept"]] == [True]
            left = await north.node.run_as_root("ps", "-o", "pid=", "-u", str(tenant.uid), check=False)
            assert left.text.split() == [str(held_by["file"])]
        assert (await channel.ask("release", opened.tenant.subject, generation=4))["clean"] is True

    async def test_is_of_gpus_and_of_what_is_suspended(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        assert (await channel.ask("apply", tenant.desired(state="suspended"), generation=1))["kept"] == []
        gpus = [north.node.gpus[0].uuid]
        assert (await channel.ask("apply", tenant.desired(gpus=gpus), generation=2))["kept"] == []
