"""What programs ask is what was bought: processors, memory and GPUs, in every kind of session."""

import asyncio
import re
from pathlib import Path

import asyncssh
import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.node]

LIMITS = {"cpu_percent": 300, "memory_mib": 160, "tasks_max": 48, "disk_gib": 1}
ASKED = (
    "nproc; python3 -Sc 'import os; print(os.cpu_count())'; cat /sys/devices/system/cpu/online; "
    "grep -E '^(MemTotal|SwapTotal)' /proc/meminfo | tr -s ' '; echo $OMP_NUM_THREADS $GOMAXPROCS $SUBLET_MEMORY_MIB; "
    "echo [$CUDA_VISIBLE_DEVICES]; nvidia-smi -L; echo asked"
)


def answers(gpu: str | None) -> str:
    """What is said of three processors, 160 MiB and a GPU, or none."""
    listed = "No devices were found" if gpu is None else f"GPU 1: NVIDIA L4 (UUID: {gpu})"
    return f"3\n3\n0-2\nMemTotal: 163840 kB\nSwapTotal: 0 kB\n3 3 160\n[{gpu or ''}]\n{listed}\nasked\n"


async def on_a_terminal(ssh: asyncssh.SSHClientConnection, command: str) -> str:
    """What a shell shows at which a person types, as in `ssh` and in the browser."""
    async with ssh.create_process(term_type="xterm-256color", term_size=(400, 50)) as shell:
        shell.stdin.write(f"stty -echo; PS1=; echo be''gin; {command}; exit\n")
        shown = str(await asyncio.wait_for(shell.stdout.read(), 30)).replace("\r\n", "\n")
    return re.sub(r"\x1b\[[?0-9;]*[a-z]", "", shown).rpartition("begin\n")[2].partition("asked\n")[0] + "asked\n"


class TestWhatProgramsAsk:
    async def test_is_what_was_bought_in_every_kind_of_session(
        self, north: Enrolled, channel: Channel, tenant: Tenant, tmp_path: Path
    ) -> None:
        gpu = north.node.gpus[1].uuid
        await channel.ask("apply", tenant.desired(limits=LIMITS, gpus=[gpu]), generation=1)
        certificate = north.control.user_certificate(tenant.login)
        async with north.control.login(north.node, tenant.login, *certificate) as ssh:
            assert str((await ssh.run(ASKED)).stdout) == answers(gpu)
            assert await on_a_terminal(ssh, ASKED) == answers(gpu)
            copied = tmp_path / "meminfo"
            await asyncssh.scp((ssh, "/proc/meminfo"), str(copied))
            assert copied.read_text().startswith("MemTotal:             163840 kB\n")

    async def test_says_so_where_no_gpu_was_bought_and_after_another_size(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(limits=LIMITS), generation=1)
        certificate = north.control.user_certificate(tenant.login)
        async with north.control.login(north.node, tenant.login, *certificate) as ssh:
            assert str((await ssh.run(ASKED)).stdout) == answers(None)
            await channel.ask("apply", tenant.desired(limits={**LIMITS, "memory_mib": 200}), generation=2)
            assert "MemTotal:             204800 kB" in str((await ssh.run("cat /proc/meminfo")).stdout)

    async def test_knows_what_is_in_use_as_of_the_last_look(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(limits=LIMITS), generation=1)
        certificate = north.control.user_certificate(tenant.login)
        holds = "python3 -Sc \"held = b'x' * (64 << 20); print('held', flush=True); input()\""
        async with (
            north.control.login(north.node, tenant.login, *certificate) as ssh,
            ssh.create_process(holds) as held,
        ):
            assert await held.stdout.readline() == "held\n"
            await channel.ask("observe")
            said = str((await ssh.run("cat /proc/meminfo")).stdout)
            held.stdin.write_eof()
        left = {name: int(kib) for name, kib in re.findall(r"^(\w+): +(\d+) kB$", said, re.MULTILINE)}
        assert 40_000 < left["MemAvailable"] < 163_840 - 64 * 1024
        assert left["MemFree"] <= left["MemAvailable"] <= left["MemTotal"]

    async def test_is_the_customers_word_where_there_is_one(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        wanted = {"OMP_NUM_THREADS": "1"}
        await channel.ask("apply", tenant.desired(limits=LIMITS, environment=wanted), generation=1)
        certificate = north.control.user_certificate(tenant.login)
        async with north.control.login(north.node, tenant.login, *certificate) as ssh:
            assert str((await ssh.run("echo $OMP_NUM_THREADS $GOMAXPROCS; nproc")).stdout) == "1 3\n1\n"
