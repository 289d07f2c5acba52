"""Measures the terminal on a node and processes of its own: `python -m bench.terminal.run`."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import asyncssh

from bench.launch.run import until
from bench.launch.stage import stage
from bench.rows import Row, table
from bench.terminal.measure import measure
from bench.terminal.target import Target


def run() -> Sequence[Row]:
    """The terminal's rows; everything started for them is gone afterwards."""
    return asyncio.run(_run())


async def _run() -> Sequence[Row]:
    with tempfile.TemporaryDirectory() as directory:
        async with stage() as at:
            launched = (await at.customer.post("/allocations", json={"offer_id": at.offer_id})).raise_for_status()
            allocation_id = str(launched.json()["id"])
            path = f"/allocations/{allocation_id}"
            await until(at, path, "active")
            key = asyncssh.generate_private_key("ssh-ed25519")
            public_key = key.export_public_key().decode()
            asked = await at.customer.post(f"{path}/ssh-certificates", json={"public_key": public_key})
            given = asked.raise_for_status().json()
            rows = await measure(
                Target(
                    url=at.url,
                    cookie=f"sublet_session={at.customer.cookies['sublet_session']}",
                    allocation_id=allocation_id,
                    ssh=_command(Path(directory), key, given),
                    web_pid=at.web_pid,
                )
            )
            (await at.customer.post(f"{path}/release")).raise_for_status()
            await until(at, path, "released")
            return rows


def _command(directory: Path, key: asyncssh.SSHKey, given: dict[str, str]) -> list[str]:
    """The plain ssh command with the certificate, as `sublet ssh` would run it."""
    identity = directory / "key"
    identity.write_bytes(key.export_private_key())
    identity.chmod(0o600)
    certificate, known_hosts = directory / "key-cert.pub", directory / "known_hosts"
    certificate.write_text(given["certificate"] + "\n")
    known_hosts.write_text(given["known_hosts"] + "\n")
    alias = given["known_hosts"].split()[1].split(",")[0]
    options = {
        "CertificateFile": certificate,
        "UserKnownHostsFile": known_hosts,
        "HostKeyAlias": alias,
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
    }
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    return [
        "ssh",
        "-F",
        "none",
        "-i",
        str(identity),
        *flags,
        "-p",
        str(given["port"]),
        f"{given['login']}@{given['host']}",
    ]


if __name__ == "__main__":
    print(table(run()))
