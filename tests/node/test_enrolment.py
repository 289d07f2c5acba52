"""Joining a control plane and leaving it again."""

import json
from pathlib import Path

import asyncssh
import pytest

from sublet_sandbox.nodes.commands import CommandFailed
from tests.node.conftest import Enrolled
from tests.node.control_plane import Tenant
from tests.node.test_limits import run_as
from tests.support.nodes import build_helper

pytestmark = [pytest.mark.anyio, pytest.mark.node]

MODULE = "/usr/local/lib/sublet/pam_sublet.so"


class TestEnrolment:
    async def test_a_refused_token_says_what_to_do_and_leaves_logins_alone(
        self, pair: tuple[Enrolled, Enrolled], helper: Path
    ) -> None:
        south = pair[1]
        module = (await south.node.run_as_root("cat", MODULE)).stdout
        await south.node.write_file(MODULE, module + b"of an earlier version", mode=0o755)
        look = "find /etc/ssh /etc/pam.d /etc/security /usr/local -type f -exec sha256sum {} + | sort -k2"
        before = (await south.node.run_as_root("sh", "-c", look)).text
        assert MODULE in before
        try:
            with pytest.raises(CommandFailed, match=r"It was used already\. Make a new join token"):
                await south.control.enrol(south.node, helper, token="used")
            assert (await south.node.run_as_root("sh", "-c", look)).text == before
        finally:
            await south.node.write_file(MODULE, module, mode=0o755)
        async with south.control.protocol(south.node) as channel:
            await channel.ask("observe")

    async def test_takes_away_what_earlier_versions_set_up_by_other_means(
        self, pair: tuple[Enrolled, Enrolled], helper: Path
    ) -> None:
        south = pair[1]
        was = {
            "/etc/security/namespace.d/sublet-session": b"#!/bin/sh\n",
            "/etc/security/namespace.d/al-aaaaaaaaaaaaaaaa.conf": b"# earlier\n",
            "/usr/local/lib/sublet/sshd": b'#!/bin/bash\nexec -a "$0" /usr/sbin/sshd "$@"\n',
            "/etc/systemd/system/ssh.service.d/50-sublet.conf": (
                b"[Service]\nExecStart=\nExecStart=@/usr/sbin/sshd /usr/local/lib/sublet/sshd -D $SSHD_OPTS\n"
            ),
        }
        for path, content in was.items():
            await south.node.write_file(path, content, mode=0o755)
        await south.node.run_as_root("sh", "-c", "systemctl daemon-reload; systemctl restart ssh.service")
        started = ("sh", "-c", "tr '\\0' ' ' </proc/$(pgrep -o sshd)/cmdline")
        assert "/usr/local/lib/sublet/sshd" in (await south.node.run_as_root(*started)).text
        await south.control.enrol(south.node, helper, deny=("127.0.0.1:18080",))
        assert "/usr/local/lib/sublet" not in (await south.node.run_as_root(*started)).text
        assert (await south.node.run_as_root("ls", *was, check=False)).text == ""
        assert (await south.node.run_as_root("ls", MODULE)).text == MODULE

    async def test_can_be_repeated_while_allocations_run(self, pair: tuple[Enrolled, Enrolled], helper: Path) -> None:
        south, tenant = pair[1], Tenant()
        async with south.control.protocol(south.node) as channel:
            await channel.ask("apply", tenant.desired(), generation=1)
        assert await run_as(south, tenant, "mkdir -m 0777 open; chmod 0777 . /tmp /dev/shm") == ("", 0)
        await south.control.enrol(south.node, helper, deny=("127.0.0.1:18080",), options=("--io-mib", "40"))
        told = (await south.node.run_as_root("cat", "/etc/sublet/node.json")).text
        assert tenant.login not in told
        assert json.loads(told)["io_mib"] == 40
        assert await run_as(south, tenant, "whoami") == (f"{tenant.login}\n", 0)
        async with south.control.protocol(south.node) as channel:
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is True

    async def test_what_the_control_plane_is_told(self, north: Enrolled) -> None:
        told = north.control.enrolled[0]
        assert told["host_public_key"].startswith("ssh-ed25519 ")
        assert told["inventory"]["gpus"][0]["model"] == "NVIDIA L4"
        assert told["helper_version"]


class TestNodeWithoutLimits:
    async def test_joins_with_nvidia_smi_and_no_gpu(self, plain: Enrolled, helper: Path) -> None:
        samples = "/usr/local/share/sublet-demo/nvidia-smi.json"
        before = (await plain.node.run_as_root("cat", samples)).stdout
        await plain.node.write_file(samples, b'{"gpus": [], "processes": []}')
        await plain.node.run_as_root("rm", "-f", "/var/lib/sublet/gpus.json")
        try:
            await plain.control.enrol(plain.node, helper)
            assert plain.control.enrolled[-1]["inventory"]["gpus"] == []
        finally:
            await plain.node.write_file(samples, before)
        await plain.control.enrol(plain.node, helper)
        assert len(plain.control.enrolled[-1]["inventory"]["gpus"]) == 2

    async def test_says_so_and_does_all_the_rest(self, plain: Enrolled) -> None:
        tenant, gpu = Tenant(), plain.node.gpus[0].uuid
        assert plain.node.label == "limits not enforced"
        async with plain.control.protocol(plain.node) as channel:
            seen = await channel.ask("probe")
            assert (seen["mode"], seen["limits_enforced"]) == ("namespace", False)
            applied = await channel.ask("apply", tenant.desired(gpus=[gpu]), generation=1)
            assert not any(entry["enforced"] for entry in applied["enforced"])
            said, status = await run_as(plain, tenant, "whoami; ls /root; cat /etc/shadow; head -c0 /dev/nvidia1")
            assert said.startswith(tenant.login)
            assert status != 0
            assert said.count("Permission denied") == 3
            evidence = await channel.ask("release", tenant.subject, generation=2)
            assert [check for check in evidence["checks"] if not check["clean"]] == []
            assert [check["name"] for check in evidence["checks"] if "is not known" in check["detail"]] == ["memory"]

    async def test_its_control_account_gets_no_shell_and_root_no_certificate(self, plain: Enrolled) -> None:
        issue = plain.control.user_certificate
        async with plain.control.login(plain.node, "sublet", *issue("sublet-control-nd_test")) as connection:
            done = await connection.run("id", input="id\n")
            assert '"code":"bad_request"' in str(done.stdout)
        for user, principal in (("root", "sublet-control-nd_test"), ("root", "root"), ("sublet", "root")):
            with pytest.raises(asyncssh.PermissionDenied):
                async with plain.control.login(plain.node, user, *issue(principal)):
                    pass


class TestHelperFile:
    async def test_is_the_same_bytes_from_the_same_sources(self, helper: Path, tmp_path: Path) -> None:
        assert build_helper(tmp_path / "again.pyz").read_bytes() == helper.read_bytes()
        assert helper.read_bytes().startswith(b"#!/usr/bin/env python3\nPK")

    async def test_explains_itself_where_it_cannot_run(self, north: Enrolled) -> None:
        done = await north.node.run_as_root(
            *("setpriv", "--reuid", "65534", "--clear-groups", "/usr/local/sbin/sublet-node", "enrol"),
            *("--url", "http://127.0.0.1:1", "--token-stdin"),
            check=False,
        )
        assert done.status == 1
        assert done.stderr == b"sublet-node: Enrolment changes sshd and accounts. Run it as root.\n"

    async def test_names_an_unreachable_control_plane(self, pair: tuple[Enrolled, Enrolled]) -> None:
        done = await pair[1].node.run_as_root(
            *("/usr/local/sbin/sublet-node", "enrol", "--url", "http://127.0.0.1:1", "--token-stdin"), check=False
        )
        assert b"http://127.0.0.1:1 cannot be reached from this node" in done.stderr
        async with pair[1].control.protocol(pair[1].node) as channel:
            found = {entry["name"]: entry["enforced"] for entry in (await channel.ask("probe"))["capabilities"]}
        assert found["network_deny"]
