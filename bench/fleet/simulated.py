"""Many nodes in one process: a real SSH server for each, on an address of its own, whose helper is simulated.

`python -m bench.fleet.simulated FILE`: the file says who the nodes are; a line on standard output says that all listen,
and the process ends when its input does, saying how often each verb was asked for.
"""

import asyncio
import base64
import contextlib
import json
import struct
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh

from sublet.core.runtime import allow_many_connections

BOOT = "boot-1"
DOORS = "doors-1"
asked: Counter[str] = Counter()


def observed(verb: str, params: dict[str, Any]) -> dict[str, Any]:
    """What a healthy node without allocations answers."""
    if verb == "revoke":
        content = base64.b64decode(params["revoked_keys_base64"])
        return {"revoked_keys_version": struct.unpack_from(">Q", content, 12)[0]}
    assert verb == "observe", verb
    return {
        "boot_id": BOOT,
        "time": datetime.now(UTC).isoformat(),
        "disk_free_gib": 1900,
        "inodes_free": 10_000_000,
        "doors": DOORS,
        "allocations": [],
        "unknown": [],
    }


async def serve(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    """The helper's loop."""
    with contextlib.suppress(asyncssh.Error, OSError):
        async for line in process.stdin:
            request = json.loads(line)
            asked[request["verb"]] += 1
            answer = {"id": request["id"], "ok": True, "observed": observed(request["verb"], request["params"])}
            process.stdout.write(json.dumps(answer).encode() + b"\n")
        process.exit(0)


async def main(who: dict[str, Any]) -> None:
    """Listen on every node's address until the input ends."""
    trusted = asyncssh.import_authorized_keys(
        "".join(f'cert-authority,principals="{who["principal"]}" {line}\n' for line in who["authorities"])
    )
    for node in who["nodes"]:
        await asyncssh.listen(
            node["address"],
            who["port"],
            server_host_keys=[
                (asyncssh.import_private_key(node["key"]), asyncssh.import_certificate(node["certificate"]))
            ],
            authorized_client_keys=trusted,
            process_factory=serve,
            encoding=None,
            compression_algs=None,
        )
    print("listening", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(json.dumps(asked), flush=True)


if __name__ == "__main__":
    allow_many_connections()
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
