"""A login that takes more than it may: more CPU, a connection that is denied, more memory.

The node's kernel has to keep each of them from it, or the node has to say that it does not enforce it.
"""

import asyncio
import shlex
from collections.abc import Iterable

import asyncssh

from sublet.core.db import forbid_open_session
from sublet.fleet.backend import Capability
from sublet.fleet.connection import CONNECT_SECONDS, connect
from sublet.fleet.entry import LookFailed, WayIn
from sublet.fleet.self_tests import Check, Strain

STRAIN_SECONDS = 60.0
CPU_SECONDS = 2.0
MOST_BYTES = 4096
CPU_TOLERANCE = 1.25
"""A share that is measured over seconds may be so much above its limit: the kernel accounts in periods."""

# Each line is said before the next thing is tried: memory last, because what stops it may end the session.
_PROGRAM = """
import os, socket, sys, time
seconds, mib, host, port = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
began, used, pids = time.monotonic(), 0.0, []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        while time.monotonic() - began < seconds:
            pass
        os._exit(0)
    pids.append(pid)
for pid in pids:
    usage = os.wait4(pid, 0)[2]
    used += usage.ru_utime + usage.ru_stime
print("cpu", round(used / (time.monotonic() - began), 3), flush=True)
try:
    socket.create_connection((host, port), 3).close()
    print("network open", flush=True)
except OSError as error:
    print("network", type(error).__name__, flush=True)
pid = os.fork()
if pid == 0:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    kept = []
    try:
        for _ in range(mib // 8):
            kept.append(bytearray(8 << 20))
            kept[-1][::4096] = b"x" * len(kept[-1][::4096])
    except MemoryError:
        os._exit(3)
    os._exit(0)
print("memory", "taken" if os.wait4(pid, 0)[1] == 0 else "stopped", flush=True)
"""


async def strain(way: WayIn, *, memory_mib: int, timeout_seconds: float = CONNECT_SECONDS) -> Strain:
    """Come in and take more than the login may, twice its memory; LookFailed when nothing of it was said."""
    forbid_open_session("node")
    ssh = await connect(
        way.address, username=way.login, credential=way.credential, trust=way.trust, timeout_seconds=timeout_seconds
    )
    target = (CPU_SECONDS, 2 * memory_mib, way.address.host, way.address.port)
    command = shlex.join(["python3", "-c", _PROGRAM, *(str(one) for one in target)])
    try:
        async with asyncio.timeout(STRAIN_SECONDS):
            done = await ssh.run(command, check=False, stdin=asyncssh.DEVNULL)
    except TimeoutError:
        raise LookFailed(f"it did not end within {STRAIN_SECONDS:g} s") from None
    except (OSError, asyncssh.Error) as error:
        raise LookFailed(f"the session ended at once ({error})") from None
    finally:
        ssh.abort()
    said = dict(line.split(" ", 1) for line in str(done.stdout or "")[:MOST_BYTES].split("\n") if " " in line)
    if not {"cpu", "network"} <= set(said):
        problem = str(done.stderr or "").strip()[-500:] or f"status {done.exit_status}"
        raise LookFailed(f"its shell did not run the test ({problem})")
    # What stops it may end the whole session: then nothing is said of memory, and nothing was taken.
    return Strain(float(said["cpu"]), connected=said["network"] == "open", memory_taken=said.get("memory") == "taken")


def checks_of(strain: Strain, capabilities: Iterable[Capability], *, cpu_percent: int) -> list[Check]:
    """What the strain says of the node; what it does not enforce as it says itself, is not held against it."""
    enforced = {one.name for one in capabilities if one.enforced}

    def check(name: str, kept: bool, capability: str, detail: str) -> Check:
        if capability in enforced:
            return Check(name, kept, detail)
        return Check(name, None, f"{detail}; the node says that it does not enforce this")

    share, most = strain.cpu_share, cpu_percent / 100
    taken = "took twice its memory" if strain.memory_taken else "was stopped when it took more memory than it may"
    reached = "reached the node's own sshd" if strain.connected else "was kept from the node's own addresses"
    return [
        check("cpu", share <= most * CPU_TOLERANCE, "cpu", f"four processes got {share:g} CPUs of {most:g}"),
        check("memory", not strain.memory_taken, "memory", f"it {taken}"),
        check("network", not strain.connected, "network_deny", f"it {reached}"),
    ]
