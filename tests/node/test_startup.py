"""Variables that every login has, and a script that runs once: as the customer, confined like the customer."""

import asyncio
from typing import Any

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

VARIABLES = {"GREETING": "hello  world", "LINES_OF_IT": "one\ntwo", "EMPTY": "", "SECRET": "canary-3fd1c0"}
WHERE = "; ".join(
    [
        "id -u; id -G; pwd; umask; ulimit -n -c; grep -c . /proc/net/dev; ls /home; test -e /proc/1 || echo own",
        "for kind in net ipc mnt; do readlink /proc/self/ns/$kind; done",
        "sed 's/session-[0-9]*/session/' /proc/self/cgroup; grep Seccomp: /proc/self/status",
        "printf '%s|' $HOME $USER $LOGNAME $SHELL $PATH",
    ]
)
WAIT_FOR_TWO_TICKS = """
first=
for _ in $(seq 600); do
  now=$(cat tick 2>/dev/null)
  [ -z "$first" ] || [ -z "$now" ] || [ "$now" = "$first" ] || exit 0
  first=${first:-$now}
  sleep 0.05
done; exit 1
"""


async def ended(channel: Channel, tenant: Tenant) -> dict[str, Any]:
    """How the script fares once it has ended."""
    async with asyncio.timeout(30):
        while (seen := await channel.ask("started", tenant.subject))["state"] in ("waiting", "running"):
            await asyncio.sleep(0.05)
    return seen


async def until_it_says(channel: Channel, tenant: Tenant, word: str) -> None:
    """Wait until the script has written so."""
    async with asyncio.timeout(30):
        while word not in (await channel.ask("started", tenant.subject))["output"]:
            await asyncio.sleep(0.05)


async def begin(channel: Channel, tenant: Tenant, script: str, *, generation: int = 1) -> dict[str, Any]:
    """Have it run."""
    return await channel.ask("start", {**tenant.subject, "script": script}, generation=generation)


class TestVariables:
    async def test_are_had_by_every_login_and_seen_by_nobody_else(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(environment=VARIABLES), generation=1)
        ask = 'printf \'%s|\' "$GREETING" "$LINES_OF_IT" "${EMPTY-unset}" "$SECRET"'
        wanted = "hello  world|one\ntwo||canary-3fd1c0|"
        assert await run_as(north, tenant, ask) == (wanted, 0)
        credentials = north.control.user_certificate(tenant.login)
        async with north.control.login(north.node, tenant.login, *credentials) as connection:
            shell = await connection.create_process(term_type="xterm")
            shell.stdin.write('echo "<$GREETING>"\n')
            await asyncio.wait_for(shell.stdout.readuntil("<hello  world>"), 20)
            shell.close()
            async with connection.start_sftp_client():
                find = f"grep -lz GREETING /proc/[0-9]*/environ | cut -d/ -f3 | xargs ps -o args= -p | grep {'sftp'}"
                assert "sftp-server" in (await north.node.run_as_root("sh", "-c", find)).text
                listed = (await north.node.run_as_root("ps", "-ewwo", "args")).text
        await begin(channel, tenant, ask)
        seen = await ended(channel, tenant)
        assert seen["output"] == wanted, str(seen)
        log = (await north.node.run_as_root("journalctl", "--no-pager", "--output=export")).text
        assert "canary-3fd1c0" not in listed + log
        assert "canary-3fd1c0" not in (await run_as(north, tenant, "cat /var/lib/sublet/starts/*/*"))[0]

    async def test_change_with_what_is_applied(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(environment={"ONE": "1", "TWO": "2"}), generation=1)
        await channel.ask("apply", tenant.desired(environment={"TWO": "3"}), generation=2)
        assert await run_as(north, tenant, "echo ${ONE-none} $TWO") == ("none 3\n", 0)
        await channel.ask("apply", tenant.desired(), generation=3)
        assert await run_as(north, tenant, "echo ${ONE-none} ${TWO-none}") == ("none none\n", 0)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"1ST": "x"},
            {"A=B": "x"},
            {"A": "x\0y"},
            {"A": 1},
            {"A": "x" * 16385},
            {f"A{n}": "x" * 16000 for n in range(5)},
            {f"A{n}": "" for n in range(101)},
        ],
    )
    async def test_that_cannot_be_are_refused_without_their_values(
        self, channel: Channel, tenant: Tenant, wrong: dict[str, Any]
    ) -> None:
        with pytest.raises(Refused, match="bad_request") as refused:
            await channel.ask("apply", tenant.desired(environment=wrong), generation=1)
        assert "xx" not in str(refused.value)


class TestAScript:
    async def test_runs_once_where_a_login_of_its_customer_runs(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        assert (await channel.ask("started", tenant.subject))["state"] == "unknown"
        script = f"echo once >>runs; {WHERE}; test -t 0 || echo no terminal; cat; exit 3"
        for _ in range(3):
            await begin(channel, tenant, script)
            await channel.ask("apply", tenant.desired(), generation=1)
        seen = await ended(channel, tenant)
        assert (seen["ended_by"], seen["exit_code"], seen["signal"]) == ("exit", 3, None)
        assert seen["output"] == (await run_as(north, tenant, WHERE))[0] + "no terminal\n"
        assert (await begin(channel, tenant, "echo twice >>runs"))["state"] == "ended"
        assert await run_as(north, tenant, "cat runs") == ("once\n", 0)

    async def test_is_read_by_the_program_that_its_first_line_names(self, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await begin(
            channel, tenant, "#!/usr/bin/python3\nimport sys\nprint(sys.argv[0], flush=True)\nsys.exit('bad')\n"
        )
        seen = await ended(channel, tenant)
        assert (seen["output"], seen["exit_code"]) == ("/tmp/startup-script\nbad\n", 1)

    async def test_that_writes_much_has_its_end_kept(self, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await begin(channel, tenant, "head -c 3000000 /dev/zero | tr '\\0' x; printf '\\377\\033[2J end'")
        seen = await ended(channel, tenant)
        assert (seen["output_bytes"], len(seen["output"])) == (3_000_009, 65_536)
        assert seen["output"].endswith("x\N{REPLACEMENT CHARACTER}\x1b[2J end")

    async def test_waits_until_its_allocation_is_active(self, channel: Channel, tenant: Tenant) -> None:
        with pytest.raises(Refused, match="not_active"):
            await begin(channel, tenant, "true")
        await channel.ask("apply", tenant.desired(state="suspended"), generation=1)
        with pytest.raises(Refused, match="not_active"):
            await begin(channel, tenant, "true")
        await channel.ask("apply", tenant.desired(), generation=2)
        with pytest.raises(Refused, match="stale_generation"):
            await begin(channel, tenant, "true", generation=1)
        for wrong in ("", "x" * 65537, "x\0y", 7):
            with pytest.raises(Refused, match="bad_request"):
                await channel.ask("start", {**tenant.subject, "script": wrong}, generation=2)
        assert (await begin(channel, tenant, "true" + " " * 65532, generation=2))["state"] in ("waiting", "running")
        assert (await ended(channel, tenant))["exit_code"] == 0

    async def test_that_is_about_to_begin_at_a_suspension_waits_until_that_is_over(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        watch = ("/usr/local/sbin/sublet-node", "watch-startup", tenant.login)
        place = f"/var/lib/sublet/starts/{tenant.login}"
        await channel.ask("apply", tenant.desired(), generation=1)
        await channel.ask("apply", tenant.desired(state="suspended"), generation=2)
        # Its watcher is begun by systemd, which may take its time.
        await north.node.run_as_root("mkdir", "-p", place)
        await north.node.write_file(f"{place}/run.json", b"{}")
        await north.node.write_file(f"{place}/script", b"echo once | tee -a runs; kill -KILL $$")
        await north.node.write_file(f"{place}/stopped-by", b"suspended")
        for _ in range(2):
            await north.node.run_as_root(*watch)
            assert (await channel.ask("started", tenant.subject))["state"] == "waiting"
        await channel.ask("apply", tenant.desired(), generation=3)
        assert await run_as(north, tenant, "cat runs 2>&1 | grep -c once") == ("0\n", 1)
        await begin(channel, tenant, "not this one", generation=3)
        seen = await ended(channel, tenant)
        assert (seen["ended_by"], seen["output"]) == ("signal", "once\n"), "nor by what was to end it before it began"

    async def test_is_watched_within_limits(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await begin(channel, tenant, "echo begun >/dev/stderr; yes >/dev/stdout & wait")
        await until_it_says(channel, tenant, "y\ny")
        unit = f"sublet-startup-{tenant.login}.service"
        names = ("cpu.cfs_quota_us", "cpu.max", "memory.limit_in_bytes", "memory.max", "pids.max")
        find = " -o ".join(f"-name {name}" for name in names)
        look = f"find /sys/fs/cgroup -path '*/system.slice/{unit}/*' \\( {find} \\) -exec cat {{}} + | cut -d' ' -f1"
        limits = (await north.node.run_as_root("sh", "-c", look)).text.split()
        assert sorted(limits) == sorted(["25000", str(64 << 20), "8"])
        used = f"cut -d' ' -f14,15 /proc/$(systemctl show {unit} -p MainPID --value)/stat"
        ticks = [
            sum(map(int, (await north.node.run_as_root("sh", "-c", f"{wait}; {used}")).text.split()))
            for wait in ("true", "sleep 1.5")
        ]
        assert ticks[1] - ticks[0] < 75, "hundredths of a second, of about 160"

    async def test_whose_end_finds_the_disk_full_is_noted_once_it_can_be(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        place = f"/var/lib/sublet/starts/{tenant.login}"
        await channel.ask("apply", tenant.desired(), generation=1)
        disk = f"mkdir -p {place} && mount -t tmpfs -o size=256k,mode=0700 none {place}"
        await north.node.run_as_root("sh", "-ec", disk)
        try:
            await begin(channel, tenant, "echo begun; while [ ! -e go ]; do sleep 0.05; done; echo done; exit 5")
            await until_it_says(channel, tenant, "begun")
            await north.node.run_as_root("sh", "-c", f"cat /dev/zero >{place}/full; test -s {place}/full")
            await run_as(north, tenant, "touch go")
            async with asyncio.timeout(20):
                while (await north.node.run_as_root("pgrep", "-U", str(tenant.uid), check=False)).text:
                    await asyncio.sleep(0.05)
            for _ in range(20):  # meanwhile its watcher finds out
                assert (await channel.ask("started", tenant.subject))["state"] == "running"
            await north.node.run_as_root("rm", f"{place}/full")
            seen = await ended(channel, tenant)
            assert (seen["ended_by"], seen["exit_code"], seen["output"]) == ("exit", 5, "begun\ndone\n")
        finally:
            await north.node.run_as_root("umount", "--lazy", place)

    async def test_that_hangs_ends_with_suspension_and_is_not_run_again(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await begin(channel, tenant, "echo begun | tee -a runs; sleep 600")
        await until_it_says(channel, tenant, "begun")
        await channel.ask("apply", tenant.desired(state="suspended"), generation=2)
        assert (await ended(channel, tenant))["ended_by"] == "suspended"
        await channel.ask("apply", tenant.desired(), generation=3)
        assert (await begin(channel, tenant, "echo again >>runs", generation=3))["state"] == "ended"
        assert await run_as(north, tenant, "cat runs; ps -e -o comm= | grep -c sleep") == ("begun\n0\n", 1)

    async def test_whose_watcher_dies_is_interrupted_and_not_run_again(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await begin(channel, tenant, "echo begun | tee -a runs; sleep 600")
        await until_it_says(channel, tenant, "begun")
        unit = f"sublet-startup-{tenant.login}.service"
        await north.node.run_as_root("systemctl", "kill", "--signal=KILL", unit)
        await run_as(north, tenant, "pkill sleep")
        assert (await ended(channel, tenant))["ended_by"] == "interrupted"
        assert (await begin(channel, tenant, "echo again >>runs"))["ended_by"] == "interrupted"
        assert await run_as(north, tenant, "cat runs") == ("begun\n", 0)

    async def test_leaves_running_what_it_began_until_the_release(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await begin(channel, tenant, "(while sleep 0.05; do echo chatter; date +%N >tick; done) & echo done")
        seen = await ended(channel, tenant)
        assert seen["exit_code"] == 0
        moved = await run_as(north, tenant, WAIT_FOR_TWO_TICKS)
        assert moved == ("", 0), "it goes on, and writes where nobody listens any more"
        evidence = await channel.ask("release", tenant.subject, generation=2)
        assert evidence["clean"] is True
        units = f"systemctl list-units --all --plain --no-legend 'sublet-startup-{tenant.login}*'"
        left = f"ls -A /var/lib/sublet/starts | grep {tenant.login}; {units}"
        assert (await north.node.run_as_root("sh", "-c", left)).text == ""

    async def test_runs_on_a_node_without_systemd(self, plain: Enrolled) -> None:
        tenant = Tenant()
        async with plain.control.protocol(plain.node) as channel:
            await channel.ask("apply", tenant.desired(environment=VARIABLES), generation=1)
            await begin(channel, tenant, 'id -u; echo "$GREETING"; sleep 600 & exit 4')
            seen = await ended(channel, tenant)
            assert (seen["output"], seen["exit_code"]) == (f"{tenant.uid}\nhello  world\n", 4)
            assert await run_as(plain, tenant, 'echo "$GREETING"') == ("hello  world\n", 0)
            evidence = await channel.ask("release", tenant.subject, generation=2)
        assert [check for check in evidence["checks"] if not check["clean"]] == []


class TestARefusedApply:
    async def test_settles_no_uid(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        taken = Tenant()
        await north.node.run_as_root("useradd", "--no-create-home", "--uid", str(taken.uid), "somebody")
        try:
            for refused in (tenant.desired(uid=taken.uid), tenant.desired(uid=tenant.uid + 1, gpus=["GPU-none"])):
                with pytest.raises(Refused, match=r"account_taken|gpu_missing"):
                    await channel.ask("apply", refused, generation=1)
        finally:
            await north.node.run_as_root("userdel", "somebody")
        await channel.ask("apply", tenant.desired(), generation=1)
        assert (await run_as(north, tenant, "id -u"))[0] == f"{tenant.uid}\n"
        with pytest.raises(Refused, match="identity_mismatch"):
            await channel.ask("apply", tenant.desired(uid=tenant.uid + 1), generation=2)
        with pytest.raises(Refused, match="stale_generation"):
            await channel.ask("apply", tenant.desired(), generation=0)
