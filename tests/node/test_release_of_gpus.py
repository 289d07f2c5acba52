"""A release proves that nothing computes on the GPUs which the allocation held."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.node]

SAMPLES = "/usr/local/share/sublet-demo/nvidia-smi.json"


@asynccontextmanager
async def busy_first_gpu(enrolled: Enrolled) -> AsyncIterator[str]:
    """The node's first GPU, with memory in use as long as the block lasts."""
    before = (await enrolled.node.run_as_root("cat", SAMPLES)).stdout
    busy = json.loads(before)
    busy["gpus"][0]["memory.used"] = "21000"
    await enrolled.node.write_file(SAMPLES, json.dumps(busy).encode())
    try:
        yield enrolled.node.gpus[0].uuid
    finally:
        await enrolled.node.write_file(SAMPLES, before)


class TestReleaseOfGpus:
    async def test_a_busy_one_is_not_clean(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        async with busy_first_gpu(north) as gpu:
            await channel.ask("apply", tenant.desired(gpus=[gpu]), generation=1)
            evidence = await channel.ask("release", tenant.subject, generation=2)
        assert evidence["clean"] is False
        assert [check["name"] for check in evidence["checks"] if not check["clean"]] == ["gpu"]
        assert (await channel.ask("release", tenant.subject, generation=3))["clean"] is True

    async def test_does_not_mind_what_runs_on_one_that_another_has_by_now(
        self, north: Enrolled, channel: Channel
    ) -> None:
        tenant, after = Tenant(), Tenant()
        async with busy_first_gpu(north) as gpu:
            await channel.ask("apply", tenant.desired(gpus=[gpu]), generation=1)
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is False
            await channel.ask("apply", after.desired(gpus=[gpu]), generation=1)
            await north.node.run_as_root("/usr/local/sbin/sublet-node", "boot")
            acl = (await north.node.run_as_root("getfacl", "-npc", north.node.gpus[0].device)).text
            assert f"user:{after.uid}:rw-" in acl
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is True
        assert (await channel.ask("release", after.subject, generation=2))["clean"] is True

    async def test_a_check_that_cannot_look_is_not_clean(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(), generation=1)
        await north.node.write_file("/usr/local/bin/nvidia-smi", b"#!/bin/sh\nexit 9\n", mode=0o755)
        try:
            with pytest.raises(Refused) as refused:
                await channel.ask("release", tenant.subject, generation=2)
            assert refused.value.retryable
        finally:
            await north.node.run_as_root("rm", "/usr/local/bin/nvidia-smi")
        assert (await channel.ask("release", tenant.subject, generation=3))["clean"] is True
