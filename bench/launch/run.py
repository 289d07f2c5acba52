"""From launch to the first shell prompt on a real node, against a bare script that makes the same account by hand.

The floor is what no control plane can be faster than that does the same: useradd, limits and a key over an SSH
connection that is open already, a login that runs `true` and shows that the customer gets in, then the customer's own.
Both take turns in one run. `python -m bench.launch.run [ROUNDS]`.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence

import asyncssh

from bench.launch.stage import SHAPE, Stage, stage
from bench.rows import Row, table

ROUNDS = 15
GOAL_RATIO = 1.5
GOAL_P50_SECONDS = 0.6
GOAL_P95_SECONDS = 2.0
PATIENCE_SECONDS = 30.0
FIRST_UID = 60_000
POLL_SECONDS = 0.01

# The node's sshd lets root in for a forced command only; this one runs what is asked for.
ROOT_MAY_RUN = b'command="eval \\"$SSH_ORIGINAL_COMMAND\\"" '
MAKE_ACCOUNT = """
set -e
useradd --create-home --uid {uid} --shell /bin/bash {login}
install -d -o {login} -m 700 /home/{login}/.ssh
printf '%s\\n' '{key}' > /home/{login}/.ssh/authorized_keys
systemctl start user-{uid}.slice
systemctl set-property user-{uid}.slice CPUQuota={cpu}% MemoryMax={memory}M TasksMax=1024 DevicePolicy=closed
"""
REMOVE_ACCOUNT = """
loginctl terminate-user {login} 2>/dev/null
systemctl stop user-{uid}.slice
for _ in 1 2 3 4 5 6 7 8 9 10; do userdel --remove {login} 2>/dev/null && break; sleep 0.2; done
rm -rf /etc/systemd/system.control/user-{uid}.slice.d
"""


class PromptMissing(RuntimeError):
    """A login gave no prompt."""


async def connected(
    host: str, port: int, login: str, keys: Sequence[object], known_hosts: asyncssh.SSHKnownHosts | None
) -> asyncssh.SSHClientConnection:
    """Log in."""
    return await asyncssh.connect(
        host,
        port,
        username=login,
        client_keys=list(keys),
        known_hosts=known_hosts,
        agent_path=None,
        config=None,
        connect_timeout=10,
    )


async def first_prompt(
    host: str, port: int, login: str, keys: Sequence[object], known_hosts: asyncssh.SSHKnownHosts | None
) -> None:
    """Log in with a terminal and wait for the prompt of the shell."""
    async with await connected(host, port, login, keys, known_hosts) as connection:
        process = await connection.create_process(term_type="xterm", encoding=None)
        seen = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while b"$" not in seen:
                chunk = await process.stdout.read(4096)
                if not chunk:
                    raise PromptMissing(f"{login} got no prompt: {seen!r}")
                seen += chunk
        process.close()


async def ours(at: Stage, key: asyncssh.SSHKey) -> float:
    """Seconds from the request to launch until the prompt; the release that follows is not counted."""
    public_key = key.export_public_key().decode()
    started = time.perf_counter()
    launched = (await at.customer.post("/allocations", json={"offer_id": at.offer_id})).raise_for_status().json()
    path = f"/allocations/{launched['id']}"
    await until(at, path, "active")
    ticket = (await at.customer.post(f"{path}/ssh-certificates", json={"public_key": public_key})).raise_for_status()
    given = ticket.json()
    certified = (key, asyncssh.import_certificate(given["certificate"]))
    known = asyncssh.import_known_hosts(given["known_hosts"])
    await first_prompt(given["host"], given["port"], given["login"], [certified], known)
    took = time.perf_counter() - started
    (await at.customer.post(f"{path}/release")).raise_for_status()
    await until(at, path, "released")
    return took


async def until(at: Stage, path: str, state: str) -> None:
    """Wait for a state of the allocation at `path`; TimeoutError with its failure if it does not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := (await at.customer.get(path)).raise_for_status().json())["state"] != state:
        if time.monotonic() > deadline or found["state"] == "failed":
            raise TimeoutError(f"the allocation is {found['state']}, not {state}: {found['failure']}")
        await asyncio.sleep(POLL_SECONDS)


async def floor(at: Stage, root: asyncssh.SSHClientConnection, key: asyncssh.SSHKey, number: int) -> float:
    """Seconds of the bare script and the two logins after it; taking the account away again is not counted."""
    names = {"login": f"bare{number}", "uid": FIRST_UID + number}
    script = MAKE_ACCOUNT.format(
        **names, key=key.export_public_key().decode().strip(), cpu=100, memory=SHAPE["memory_mib"]
    )
    started = time.perf_counter()
    await root.run(script, check=True, timeout=PATIENCE_SECONDS)
    async with await connected(at.node.address, at.node.port, str(names["login"]), [key], None) as looking:
        await looking.run("true", check=True, timeout=PATIENCE_SECONDS)
    await first_prompt(at.node.address, at.node.port, str(names["login"]), [key], None)
    took = time.perf_counter() - started
    await root.run(REMOVE_ACCOUNT.format(**names), check=False, timeout=PATIENCE_SECONDS)
    return took


async def measure(rounds: int) -> tuple[list[float], list[float]]:
    """The seconds of each round: the floor's and ours."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    floors: list[float] = []
    launches: list[float] = []
    async with stage() as at:
        await at.node.run_as_root("mkdir", "-p", "-m", "700", "/root/.ssh")
        await at.node.write_file("/root/.ssh/authorized_keys", ROOT_MAY_RUN + key.export_public_key(), mode=0o600)
        async with await connected(at.node.address, at.node.port, "root", [key], None) as root:
            for number in range(rounds + 1):
                pair = (await floor(at, root, key, number), await ours(at, key))
                if number:  # the first pair opens connections and fills caches
                    floors.append(pair[0])
                    launches.append(pair[1])
    return floors, launches


def run(rounds: int = ROUNDS) -> list[Row]:
    """Measure on a node and processes of its own, which are gone afterwards."""
    floors, launches = asyncio.run(measure(rounds))
    at_half = statistics.median(launches), statistics.median(floors)
    at_95 = _percentile(launches, 0.95), _percentile(floors, 0.95)
    return [
        Row(
            work="launch → first prompt, p50",
            floor_name="bare script over an open connection, a login that runs `true`, then login",
            floor=at_half[1],
            ours=at_half[0],
            unit="s",
            goal=f"≤ {GOAL_RATIO} × floor, ≤ {GOAL_P50_SECONDS:g} s",
            met=at_half[0] <= min(GOAL_RATIO * at_half[1], GOAL_P50_SECONDS),
        ),
        Row(
            work="launch → first prompt, p95",
            floor_name="the same",
            floor=at_95[1],
            ours=at_95[0],
            unit="s",
            goal=f"≤ {GOAL_P95_SECONDS:g} s",
            met=at_95[0] <= GOAL_P95_SECONDS,
        ),
    ]


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


if __name__ == "__main__":
    print(table(run(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)))
