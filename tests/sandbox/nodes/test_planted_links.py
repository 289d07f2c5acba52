"""A link that somebody put where a node keeps something is not followed with the rights of whoever runs the node."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sublet_sandbox.nodes import NamespaceNode, NodeStartFailed, SystemdNode, registry, rootfs, skeleton
from sublet_sandbox.own_files import NotOurs
from tests.support.nodes import require

pytestmark = [pytest.mark.anyio, pytest.mark.node]

REFUSAL = "is a link, and what it leads to may be anybody's. Nothing was changed. Remove the link"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the node is to be."""
    folder = tmp_path / "node"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder that has nothing to do with the node, with a file in it."""
    folder = tmp_path / "elsewhere"
    (folder / "ssh").mkdir(parents=True)
    (folder / "precious").write_text("precious")
    return folder


@pytest.fixture
def unharmed(elsewhere: Path) -> Callable[[], bool]:
    """Whether that folder is as it was."""
    return lambda: (
        sorted(one.name for one in elsewhere.rglob("*")) == ["precious", "ssh"]
        and (elsewhere / "precious").read_text() == "precious"
    )


class TestANamespaceNode:
    @pytest.mark.parametrize("name", ["lock", "console.log"])
    async def test_does_not_open_a_link(
        self, folder: Path, elsewhere: Path, unharmed: Callable[[], bool], name: str
    ) -> None:
        require("namespace")
        (folder / name).symlink_to(elsewhere / "precious")
        node = NamespaceNode("solo", directory=folder)
        with pytest.raises(NodeStartFailed, match=f"{name} {REFUSAL}"):
            await node.start()
        assert unharmed()
        assert node.logs() == ""

    @pytest.mark.parametrize("place", ["", "data"])
    async def test_does_not_start_in_a_linked_folder(
        self, folder: Path, elsewhere: Path, unharmed: Callable[[], bool], place: str
    ) -> None:
        require("namespace")
        if not place:
            folder.rmdir()
        (folder / place).symlink_to(elsewhere)
        with pytest.raises(NodeStartFailed, match=REFUSAL):
            await NamespaceNode("solo", directory=folder).start()
        assert unharmed()

    async def test_does_not_empty_a_linked_folder(
        self, folder: Path, elsewhere: Path, unharmed: Callable[[], bool]
    ) -> None:
        require("namespace")
        (folder / "data").symlink_to(elsewhere)
        with pytest.raises(NotOurs, match=f"data {REFUSAL}"):
            await NamespaceNode("solo", directory=folder).discard()
        assert unharmed()


class TestTheFilesOfANamespaceNode:
    @pytest.mark.parametrize("place", ["local/bin", "local/share", "local"])
    def test_are_not_put_through_a_link_that_its_root_planted(
        self, folder: Path, elsewhere: Path, unharmed: Callable[[], bool], place: str
    ) -> None:
        require("namespace")
        skeleton.prepare(folder, "solo", [], os.geteuid())
        (folder / "data" / place).rename(folder / "data" / "moved")
        (folder / "data" / place).symlink_to(elsewhere)
        with pytest.raises(NotOurs, match=f"data/{place} {REFUSAL}"):
            skeleton.prepare(folder, "solo", [], os.geteuid())
        assert unharmed()

    def test_take_the_place_of_a_link(self, folder: Path, elsewhere: Path, unharmed: Callable[[], bool]) -> None:
        require("namespace")
        skeleton.prepare(folder, "solo", [], os.geteuid())
        program = folder / "data" / "local" / "bin" / "nvidia-smi"
        program.unlink()
        program.symlink_to(elsewhere / "precious")
        skeleton.prepare(folder, "solo", [], os.geteuid())
        assert os.access(program, os.X_OK)
        assert not program.is_symlink()
        assert unharmed()

    def test_are_not_said_to_be_there_through_a_link(
        self, folder: Path, elsewhere: Path, unharmed: Callable[[], bool]
    ) -> None:
        require("namespace")
        skeleton.prepare(folder, "solo", [], os.geteuid())
        (folder / "data" / "complete").unlink()
        (folder / "data" / "complete").symlink_to(elsewhere / "made")
        with pytest.raises(NotOurs, match=f"complete {REFUSAL}"):
            skeleton.prepare(folder, "solo", [], os.geteuid())
        assert unharmed()


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of the test's own."""
    folder = tmp_path / "records"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(registry, "folder", lambda: folder)
    return folder


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root filesystem that is not needed: no node gets so far."""

    async def ready(*_: object) -> Path:
        return tmp_path

    monkeypatch.setattr(rootfs, "root_filesystem", ready)
    return tmp_path


@pytest.mark.usefixtures("records", "template")
class TestASystemdNode:
    @pytest.mark.parametrize("place", ["", "upper", "devices", "home", "upper/etc", "upper/etc/ssh", "upper/usr"])
    async def test_does_not_start_with_a_linked_folder(
        self, folder: Path, elsewhere: Path, unharmed: Callable[[], bool], place: str
    ) -> None:
        require("systemd")
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        if not place:
            folder.rmdir()
        (folder / place).symlink_to(elsewhere)
        with pytest.raises(NodeStartFailed, match=f"{place or 'node'} {REFUSAL}"):
            await SystemdNode("solo", directory=folder, cache=folder).start()
        assert unharmed()

    async def test_does_not_open_a_linked_log(
        self, folder: Path, elsewhere: Path, unharmed: Callable[[], bool]
    ) -> None:
        require("systemd")
        (folder / "console.log").symlink_to(elsewhere / "precious")
        node = SystemdNode("solo", directory=folder, cache=folder)
        with pytest.raises(NodeStartFailed, match=f"console.log {REFUSAL}"):
            await node.start()
        assert unharmed()
        assert node.logs() == ""

    async def test_mounts_no_linked_image(self, folder: Path, elsewhere: Path, unharmed: Callable[[], bool]) -> None:
        require("systemd")
        (folder / "homes.img").symlink_to(elsewhere / "precious")
        with pytest.raises(NodeStartFailed, match=f"homes.img {REFUSAL}"):
            await SystemdNode("solo", directory=folder, cache=folder).start()
        assert unharmed()

    @pytest.mark.parametrize("name", ["ssh_host_ed25519_key.pub", "sshd_config"])
    async def test_writes_no_key_through_a_link_that_its_root_planted(
        self, folder: Path, elsewhere: Path, unharmed: Callable[[], bool], name: str
    ) -> None:
        require("systemd")
        (folder / "upper/etc/ssh").mkdir(parents=True)
        (folder / "upper/etc/ssh" / name).symlink_to(elsewhere / "precious")
        (folder / "console.log").symlink_to(elsewhere / "precious")  # at which it ends
        with pytest.raises(NodeStartFailed, match=REFUSAL):
            await SystemdNode("solo", directory=folder, cache=folder).start()
        assert unharmed()
        key, public = (folder / "upper/etc/ssh" / f"ssh_host_ed25519_key{end}" for end in ("", ".pub"))
        assert (key.stat().st_mode & 0o777, public.read_text()[:11]) == (0o600, "ssh-ed25519")


class TestTheRegistry:
    def test_is_no_linked_folder(self, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.geteuid", lambda: 4321)  # root's own is elsewhere, and in use
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        (tmp_path / "sublet-nodes-4321").symlink_to(elsewhere)
        with pytest.raises(NotOurs, match=f"sublet-nodes-4321 {REFUSAL}, or set TMPDIR to a folder of your own"):
            registry.folder()

    async def test_locks_and_removes_no_link(
        self, records: Path, elsewhere: Path, unharmed: Callable[[], bool]
    ) -> None:
        (records / "0badcafe.json").symlink_to(elsewhere / "precious")

        async def remove(_: object) -> None:
            raise AssertionError

        with pytest.raises(NotOurs, match=f"0badcafe.json {REFUSAL}"):
            registry.open_record("0badcafe")
        with pytest.raises(NotOurs, match=f"0badcafe.json {REFUSAL}"):
            await registry.sweep(remove, kind="systemd")
        assert unharmed()


class TestTheCache:
    @pytest.fixture(autouse=True)
    def sources(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine that could build one."""
        (folder / "sources.list").write_text("")
        monkeypatch.setattr(rootfs, "apt_sources", lambda: [folder / "sources.list"])

    async def test_has_no_link_for_a_lock(self, folder: Path, elsewhere: Path, unharmed: Callable[[], bool]) -> None:
        (folder / "rootfs.lock").symlink_to(elsewhere / "made")
        with pytest.raises(NotOurs, match=f"rootfs.lock {REFUSAL}"):
            await rootfs.root_filesystem(folder)
        assert unharmed()

    async def test_is_not_used_where_others_write(self, folder: Path) -> None:
        folder.chmod(0o777)
        with pytest.raises(NotOurs, match="can be written by others"):
            await rootfs.root_filesystem(folder)
