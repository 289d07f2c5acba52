"""Each check of a release's evidence alone says no: whatever is left, and however it came back, the release is not
clean, and the next one takes it away."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.node]

CHECKS = [
    *("access", "sessions", "processes", "slice", "account", "home", "files", "cron", "ipc", "keys", "startup"),
    *("gpu", "held", "memory", "network"),
]
SAMPLES = "/usr/local/share/sublet-demo/nvidia-smi.json"
AS_IT = "setpriv --reuid {uid} --regid {uid} --clear-groups"
MAKE_IPC = AS_IT + " python3 -c 'import ctypes; assert ctypes.CDLL(None).{call} >= 0'"
QUOTA_GROUP = (
    "PYTHONPATH=/usr/local/sbin/sublet-node python3 -c 'import os; from sublet_node.disk import btrfs; "
    'btrfs.make_group(os.open("/home", os.O_RDONLY), btrfs.group_of({uid}))\''
)


@dataclass(frozen=True)
class Leftover:
    """Something of one kind that comes to the node once a release has taken everything away.

    `plant` is a root shell's command. `taken_away` by root when a second release is not meant to find it.
    """

    name: str
    plant: str
    unclean: tuple[str, ...]
    taken_away: str = ""
    late: bool = False
    """Comes while the evidence is collected, since removing files is not the last thing that a release does."""


LEFTOVERS = [
    Leftover("a certificate's login", "echo {login} > /etc/sublet/principals/{login}", ("access",)),
    Leftover("a key", "echo ssh-ed25519 AAAA > /etc/sublet/authorized_keys/{login}", ("keys",)),
    Leftover(
        "variables",
        "mkdir -p /var/lib/sublet/starts/{login}; echo SECRET=1 > /var/lib/sublet/starts/{login}/environment",
        ("startup",),
    ),
    Leftover(
        "a startup script",
        "mkdir -p /var/lib/sublet/starts/{login}; echo true > /var/lib/sublet/starts/{login}/script",
        ("startup",),
    ),
    Leftover(
        "a session",
        "printf 'UID={uid}\\nUSER={login}\\n' > /run/systemd/sessions/left{uid}",
        ("sessions",),
        taken_away="rm /run/systemd/sessions/left{uid}",
    ),
    Leftover("a process", f"systemd-run --quiet {AS_IT} sleep 600", ("processes",)),
    Leftover(
        "a process that has the uid to come back to",
        "systemd-run --quiet setpriv --ruid {uid} --clear-groups sleep 600",
        ("processes",),
    ),
    Leftover("stored properties", "mkdir -p /etc/systemd/system.control/user-{uid}.slice.d", ("slice",)),
    Leftover("properties until the next boot", "mkdir -p /run/systemd/system.control/user-{uid}.slice.d", ("slice",)),
    Leftover("a unit's folder", "mkdir -p /etc/systemd/system/user-{uid}.slice.d", ("slice",)),
    Leftover(
        "a control group",
        "for place in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $place/user.slice/user-{uid}.slice 2>/dev/null; done",
        ("slice",),
    ),
    Leftover(
        "a unit in its slice", "systemd-run --quiet --slice user-{uid}.slice --remain-after-exit true", ("slice",)
    ),
    Leftover("a group", "groupadd --gid {uid} {login}", ("account",)),
    Leftover("an account without its group", "echo '{login}:x:{uid}:0::/nowhere:/bin/sh' >> /etc/passwd", ("account",)),
    Leftover("a mask of a unit", "ln -s /dev/null /etc/systemd/system/user@{uid}.service", ("account",)),
    Leftover("a private /tmp", "mkdir /var/lib/sublet/private-tmp/{login}", ("account",)),
    Leftover("a home", "mkdir /home/{login}", ("home",)),
    Leftover("a home that is a link to nowhere", "ln -s /nowhere /home/{login}", ("home",)),
    Leftover("a place beside homes", "mkdir -p /home/.sublet/{login}", ("home",)),
    Leftover("a quota group", QUOTA_GROUP, ("home",)),
    Leftover("a file", "touch /var/tmp/left{uid}; chown {uid} /var/tmp/left{uid}", ("files",)),
    Leftover("a file of its group", "touch /var/tmp/left{uid}; chgrp {uid} /var/tmp/left{uid}", ("files",)),
    Leftover(
        "a journal", "mkdir -p /var/log/journal/x; touch /var/log/journal/x/user-{uid}.journal", ("files",), late=True
    ),
    Leftover(
        "a dump of a program's memory",
        "mkdir -p /var/lib/systemd/coredump; touch /var/lib/systemd/coredump/core.sh.{uid}.boot.7.1.zst",
        ("files",),
        late=True,
    ),
    Leftover("a crontab", "mkdir -p /var/spool/cron/crontabs; touch /var/spool/cron/crontabs/{login}", ("cron",)),
    Leftover("lingering", "mkdir -p /var/lib/systemd/linger; touch /var/lib/systemd/linger/{login}", ("cron",)),
    Leftover(
        "a job for later",
        "mkdir -p /var/spool/at; touch /var/spool/at/left{uid}; chown {uid} /var/spool/at/left{uid}",
        ("files", "cron"),
    ),
    Leftover("shared memory", MAKE_IPC.replace("{call}", "shmget(4721, 4096, 0o1600)"), ("ipc",)),
    Leftover("a semaphore", MAKE_IPC.replace("{call}", "semget(4722, 1, 0o1600)"), ("ipc",)),
    Leftover("a message queue", MAKE_IPC.replace("{call}", "msgget(4723, 0o1600)"), ("ipc",)),
    Leftover(
        "a deleted file that a service has open",
        "systemd-run --quiet --unit held{uid} sh -c "
        "'exec 9>/var/tmp/held{uid}; chown {uid} /var/tmp/held{uid}; rm /var/tmp/held{uid}; exec sleep 600'",
        ("held",),
        taken_away="systemctl stop held{uid}",
        late=True,
    ),
    Leftover(
        "where a namespace was kept",
        "mkdir -p /run/sublet/pins/ipc; touch /run/sublet/pins/ipc/{login}",
        ("network",),
    ),
    Leftover(
        "a link to a network that somebody holds",
        "ip link add sblt{uid} type veth peer name left{uid}",
        ("network",),
        taken_away="ip link del sblt{uid}",
    ),
    Leftover("access to a GPU", "setfacl -m u:{uid}:rw {device}", ("gpu",), late=True),
]


def shell_of(leftover: Leftover, enrolled: Enrolled, tenant: Tenant, command: str) -> str:
    """A command of a leftover with the tenant's names in it."""
    return command.format(login=tenant.login, uid=tenant.uid, device=enrolled.node.gpus[1].device)


@asynccontextmanager
async def coming_back(enrolled: Enrolled, tenant: Tenant, leftover: Leftover) -> AsyncIterator[None]:
    """While the block lasts, `find` also plants the leftover: a release's last search removes, the next one looks."""
    at = "-print0" if leftover.late else "-delete"
    program = (
        f'#!/bin/sh\n/usr/bin/find "$@"\nstatus=$?\ncase " $* " in *" {at} "*)\n'
        f"{shell_of(leftover, enrolled, tenant, leftover.plant)}\n;; esac\nexit $status\n"
    )
    await enrolled.node.write_file("/usr/local/bin/find", program.encode(), mode=0o755)
    try:
        yield
    finally:
        await enrolled.node.run_as_root("rm", "/usr/local/bin/find")


def unclean(evidence: dict[str, Any]) -> tuple[str, ...]:
    """The names of the checks that found something."""
    assert [check["name"] for check in evidence["checks"]] == CHECKS
    found = tuple(check["name"] for check in evidence["checks"] if not check["clean"])
    assert evidence["clean"] is (found == ())
    return found


class TestEachCheck:
    @pytest.mark.parametrize("leftover", LEFTOVERS, ids=[leftover.name for leftover in LEFTOVERS])
    async def test_alone_finds_what_is_left_of_its_kind(
        self, north: Enrolled, channel: Channel, leftover: Leftover
    ) -> None:
        tenant = Tenant()
        async with coming_back(north, tenant, leftover):
            evidence = await channel.ask("release", tenant.subject, generation=1)
        if leftover.taken_away:
            await north.node.run_as_root("sh", "-c", shell_of(leftover, north, tenant, leftover.taken_away))
        again = await channel.ask("release", tenant.subject, generation=2)
        assert (unclean(evidence), unclean(again)) == (leftover.unclean, ())

    def test_has_a_leftover_of_its_own(self) -> None:
        alone = {kind for leftover in LEFTOVERS if len(leftover.unclean) == 1 for kind in leftover.unclean}
        assert alone == set(CHECKS) - {"memory"}, "whose own is in test_memory.py, for somebody has to use some first"

    @pytest.mark.parametrize(
        "busy",
        [
            pytest.param({"memory.used": "257"}, id="memory in use"),
            pytest.param({"pid": "4711"}, id="a process that computes"),
        ],
    )
    async def test_finds_what_is_on_a_gpu_that_it_held(
        self, north: Enrolled, channel: Channel, busy: dict[str, str]
    ) -> None:
        tenant, gpu = Tenant(), north.node.gpus[0]
        before = (await north.node.run_as_root("cat", SAMPLES)).stdout
        recorded = json.loads(before)
        if "pid" in busy:
            process = {"gpu_uuid": gpu.uuid, "process_name": "left", "used_memory": "1", **busy}
            recorded["processes"].append(process)
        else:
            recorded["gpus"][0] |= busy
        await channel.ask("apply", tenant.desired(gpus=[gpu.uuid]), generation=1)
        await north.node.write_file(SAMPLES, json.dumps(recorded).encode())
        try:
            evidence = await channel.ask("release", tenant.subject, generation=2)
        finally:
            await north.node.write_file(SAMPLES, before)
        again = await channel.ask("release", tenant.subject, generation=3)
        assert (unclean(evidence), unclean(again)) == (("gpu",), ())
