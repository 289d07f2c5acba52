"""A node without any address of IPv4, and one that is known by a name."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from sublet_sandbox.nodes import LocalNode
from sublet_sandbox.nodes.commands import run
from tests.node.conftest import Enrolled
from tests.node.control_plane import Tenant
from tests.node.test_limits import run_as
from tests.node.test_real_servers import Server

pytestmark = [pytest.mark.anyio, pytest.mark.node]

NAME = "node.sublet.test"
# In a mount namespace of its own, where the name is known.
BY_NAME = (
    'mount --bind "$1" /etc/hosts && exec ssh -F none -o BatchMode=yes -o UserKnownHostsFile="$2" -i "$3" "$4" id -un'
)


@dataclass(frozen=True)
class At:
    """Where a node is reached."""

    address: str
    port: int = 22


@pytest.fixture
async def six(pair: tuple[Enrolled, Enrolled], helper: Path) -> AsyncIterator[Server]:
    """The second node while its cable has IPv6 alone; its control plane knows it by that address."""
    enrolled = pair[1]
    node, control = enrolled.node, enrolled.control
    server = Server(enrolled, "")
    four = (await server.run("ip -4 -o addr show dev eth0 | awk '{ print $4 }'; ip route show default")).text.split()
    gateway = four[four.index("via") + 1]
    cable = next(line for line in (await run("ip", "-o", "addr")).text.splitlines() if f" {gateway}/" in line).split()[
        1
    ]
    prefix = f"2001:db8:{cable[3:7]}:{cable[7:11]}"
    told, address = control.told, control.address
    async with control.serving() as port:
        server.url = await node.enrol_url(port)
        await run("ip", "-6", "addr", "add", f"{prefix}::1/64", "dev", cable, "nodad")
        try:
            await server.run(
                f"ip -6 addr add {prefix}::2/64 dev eth0 nodad; ip -6 route add default via {prefix}::1; "
                f"ip -4 addr flush dev eth0; cp -p /etc/hosts /root/left; echo {prefix}::2 {NAME} >> /etc/hosts"
            )
            await node.write_file("/root/sublet-node.pyz", helper.read_bytes(), mode=0o700)
            control.address = f"{prefix}::2"
            control.told = {"address": control.address, "port": 22}
            yield Server(Enrolled(cast("LocalNode", At(control.address)), control), server.url)
        finally:
            control.told, control.address = told, address
            await server.run(
                f"ip addr add {four[0]} dev eth0; ip route add default via {gateway}; mv /root/left /etc/hosts; "
                f"ip -6 route del default via {prefix}::1; ip -6 addr del {prefix}::2/64 dev eth0"
            )
            await run("ip", "-6", "addr", "del", f"{prefix}::1/64", "dev", cable)
            await server.enrol(check=True)


class TestANodeWithIPv6Alone:
    async def test_joins_and_lets_customers_in_by_its_address_and_by_its_name(
        self, six: Server, pair: tuple[Enrolled, Enrolled], tmp_path: Path
    ) -> None:
        control, tenant = six.enrolled.control, Tenant()
        owner = Server(pair[1], six.url)
        assert (await owner.run("ip -4 -o addr show scope global")).text.count("eth0") == 0
        assert "is none of this machine's addresses" not in (await owner.enrol(check=True)).text
        async with control.protocol(six.enrolled.node) as channel:
            await channel.ask("apply", tenant.desired(), generation=1)
            assert await run_as(six.enrolled, tenant, "whoami") == (f"{tenant.login}\n", 0)
            control.address, address = NAME, control.address
            control.told = {**control.told, "address": NAME}
            assert "is none of this machine's addresses" not in (await owner.enrol(check=True)).text
            key, certificate = control.user_certificate(tenant.login)
            key.write_private_key(tmp_path / "key")
            certificate.write_certificate(tmp_path / "key-cert.pub")
            (tmp_path / "key").chmod(0o600)
            (tmp_path / "hosts").write_text(f"{address} {NAME}\n")
            authority = control.host_ca.export_public_key().decode()
            (tmp_path / "known").write_text(f"@cert-authority {NAME} {authority}")
            files = (str(tmp_path / "hosts"), str(tmp_path / "known"))
            who = (str(tmp_path / "key"), f"{tenant.login}@{NAME}")
            said = await run("unshare", "--mount", "sh", "-c", BY_NAME, "sh", *files, *who)
            assert said.text == tenant.login
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"]
