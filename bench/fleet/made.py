"""Simulated nodes that have joined: their rows, their keys and certificates, and the process that plays them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncssh
from sqlalchemy import text

from bench.fleet.simulated import BOOT, DOORS
from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.fleet.ca import CaKind, CertificateAuthority, public_keys, public_line
from sublet.fleet.control_principals import OF_ALL

_ADD = text(
    """
    INSERT INTO node (id, kind, name, address, port, state, host_public_key, host_certificate_expires_at, inventory,
                      limits_enforced, helper_version, boot_id, last_seen_at, observed_at, fresh_until, enrolled_at,
                      verified_at, doors, entered_at, entered_doors)
    SELECT id, 'ssh', name, address, :port, 'enrolling', key, now() + interval '1 day',
           '{"vcpu": 64, "memory_mib": 262144, "disk_gib": 2000, "kernel": "6.1.0", "os": "Debian GNU/Linux 12",
             "hostname": "simulated", "mode": "systemd", "clock_skew_seconds": 0}',
           true, '0.2.0', :boot, now(), now(), now() + interval '1 day', now(), now(), :doors, now(), :doors
      FROM unnest(CAST(:ids AS text[]), CAST(:names AS text[]), CAST(:addresses AS text[]), CAST(:keys AS text[]))
           AS made(id, name, address, key)
    """
)
_OPEN = text("UPDATE node SET state = 'ready' WHERE state = 'enrolling'")
_WORK = text(
    "INSERT INTO work (kind, id, place, due_at) SELECT 'node', id, id, 'infinity' FROM node\n    ON CONFLICT DO NOTHING"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass
class Simulated:
    """The process that plays the nodes, and after it has ended how often each verb was asked for."""

    pid: int
    asked: dict[str, int] = field(default_factory=dict)


async def join_all(
    database: Database, authority: CertificateAuthority, *, nodes: int, port: int, first: int = 0
) -> dict[str, Any]:
    """Add nodes that have joined and were entered, numbered from `first`; returns what their process must know."""
    host_signer, _ = await authority.host_signer(), await authority.user_signer()
    made = []
    async with database.transaction() as session:
        now = await database_now(session)
        for number in range(first, first + nodes):
            node_id = "nd_" + "".join(_LETTERS[number >> 5 * place & 31] for place in range(16))
            address = f"127.{1 + (number >> 14)}.{1 + (number >> 7 & 127)}.{1 + (number & 127)}"
            key = asyncssh.generate_private_key("ssh-ed25519")
            certificate = host_signer.key.generate_host_certificate(
                key,
                node_id,
                serial=number + 1,
                principals=[node_id],
                valid_after=int((now - timedelta(minutes=1)).timestamp()),
                valid_before=int((now + timedelta(days=1)).timestamp()),
            )
            made.append((node_id, f"node-{number}", address, key, certificate))
        columns = {
            "ids": [one[0] for one in made],
            "names": [one[1] for one in made],
            "addresses": [one[2] for one in made],
            "keys": [public_line(one[3]) for one in made],
        }
        await session.execute(_ADD, {**columns, "port": port, "boot": BOOT, "doors": DOORS})
        await session.execute(_OPEN)
        await session.execute(_WORK)
        authorities = (await public_keys(session, CaKind.USER)).all
    return {
        "port": port,
        "principal": OF_ALL,
        "authorities": list(authorities),
        "nodes": [
            {
                "address": one[2],
                "key": one[3].export_private_key("openssh").decode(),
                "certificate": one[4].export_certificate().decode(),
            }
            for one in made
        ],
    }


@contextmanager
def simulated(who: dict[str, Any], directory: Path) -> Iterator[Simulated]:
    """The process that plays the nodes, once all of them listen."""
    file = directory / "nodes.json"
    file.write_text(json.dumps(who))
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.fleet.simulated", str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    nodes = Simulated(process.pid)
    try:
        if process.stdout.readline() != "listening\n":
            raise RuntimeError("the simulated nodes did not start")
        yield nodes
        process.stdin.close()
        nodes.asked = json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
