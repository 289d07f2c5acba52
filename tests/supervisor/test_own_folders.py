"""A data directory in which others can change something is neither used nor deleted, and no link in it is followed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sublet.core.key_files import keyring_at
from sublet.core.own_folders import NotOurs
from sublet.core.runtime import keyring_of
from sublet.supervisor import demo_delete
from sublet.supervisor.embedded_postgres import EmbeddedPostgres, unprivileged_account
from sublet.supervisor.files import DemoFiles
from sublet.supervisor.processes import ChildProcess
from tests.supervisor.running import NOBODY
from tests.support.app import settings_for

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another account")
PARTS = ("keys", "nodes", "logs", "postgres")


@pytest.fixture
def files(tmp_path: Path) -> DemoFiles:
    """A data directory that was prepared, on which a demo is supposed to have run."""
    files = DemoFiles(tmp_path / "data")
    files.prepare()
    (files.root / "up.lock").touch()
    return files


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of ours that has nothing to do with the demo, with a file in it and in a folder of a node's name."""
    folder = tmp_path / "elsewhere"
    (folder / "systemd").mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    (folder / "precious").write_text("precious")
    return folder


def delete(files: DemoFiles, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("SUBLET_DATA_DIR", str(files.root))
    return demo_delete.main(["--yes"])


class TestADataDirectory:
    @pytest.mark.parametrize("part", PARTS)
    def test_with_a_link_in_it_is_neither_used_nor_deleted(
        self, files: DemoFiles, elsewhere: Path, part: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (files.root / part).rmdir()
        (files.root / part).symlink_to(elsewhere)
        with pytest.raises(NotOurs, match=f"{part} is a link.*Nothing was changed"):
            files.prepare()
        assert delete(files, monkeypatch) == 4
        assert (elsewhere / "precious").read_text() == "precious"
        assert (elsewhere / "systemd").is_dir()

    @pytest.mark.parametrize("part", ["", *PARTS, "cache"])
    @pytest.mark.parametrize("mode", [0o720, 0o702])
    def test_that_others_can_write_is_refused(self, files: DemoFiles, part: str, mode: int) -> None:
        (files.root / part).chmod(mode)
        with pytest.raises(NotOurs, match=r"can be written by others.*chmod go-w"):
            files.prepare()

    @AS_ROOT
    @pytest.mark.parametrize("part", ["", *PARTS, "cache"])
    def test_that_is_another_accounts_is_refused(self, files: DemoFiles, part: str) -> None:
        os.chown(files.root / part, NOBODY, NOBODY)
        with pytest.raises(NotOurs, match=f"belongs to somebody else .user id {NOBODY}"):
            files.prepare()

    def test_with_a_file_for_a_folder_is_refused(self, files: DemoFiles) -> None:
        files.logs.rmdir()
        files.logs.touch()
        with pytest.raises(NotOurs, match="logs is not a folder"):
            files.prepare()

    def test_whose_database_is_not_its_accounts_is_refused(self, files: DemoFiles) -> None:
        data = files.postgres / "data"
        data.mkdir(mode=0o700)
        if account := unprivileged_account():
            with pytest.raises(NotOurs, match="data belongs to somebody else"):
                files.prepare()
            os.chown(data, account.uid, account.gid)
        files.prepare()
        data.chmod(0o770)
        with pytest.raises(NotOurs, match="data can be written by others"):
            files.prepare()

    def test_and_a_cache_may_be_reached_by_a_link(self, files: DemoFiles, elsewhere: Path) -> None:
        files.cache.rmdir()
        files.cache.symlink_to(elsewhere)
        link = files.root.with_name("link")
        link.symlink_to(files.root)
        DemoFiles(link).prepare()

    @AS_ROOT
    def test_is_not_reached_by_a_link_of_somebody_else(self, files: DemoFiles) -> None:
        link = files.root.with_name("link")
        link.symlink_to(files.root)
        os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
        with pytest.raises(NotOurs, match="link is a link"):
            DemoFiles(link).prepare()


class TestKeys:
    @pytest.mark.parametrize("make", [DemoFiles.encryption_key, lambda files: files.secret("operator.token")])
    def test_of_a_demo_are_not_made_where_others_write(
        self, files: DemoFiles, make: Callable[[DemoFiles], Path]
    ) -> None:
        files.keys.chmod(0o777)
        with pytest.raises(NotOurs, match="can be written by others"):
            make(files)
        assert list(files.keys.iterdir()) == []

    def test_of_a_process_are_not_made_where_others_write(self, files: DemoFiles) -> None:
        files.keys.chmod(0o777)
        with pytest.raises(NotOurs, match="can be written by others"):
            keyring_at(files.keys / "encryption.key")
        assert list(files.keys.iterdir()) == []

    def test_of_a_process_are_not_made_in_a_directory_that_others_write(self, files: DemoFiles) -> None:
        files.root.chmod(0o777)
        with pytest.raises(NotOurs, match="can be written by others"):
            keyring_of(settings_for(files.root))
        assert list(files.keys.iterdir()) == []


class TestAFileThatIsALink:
    def test_is_not_locked_and_keeps_its_content(
        self, files: DemoFiles, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (files.root / "up.lock").unlink()
        (files.root / "up.lock").symlink_to(elsewhere / "precious")
        assert delete(files, monkeypatch) == 4
        assert (elsewhere / "precious").read_text() == "precious"

    @pytest.mark.anyio
    async def test_gets_no_log(self, files: DemoFiles, elsewhere: Path) -> None:
        log = files.logs / "web.log"
        log.symlink_to(elsewhere / "precious")
        with pytest.raises(NotOurs, match=r"web\.log is a link"):
            await ChildProcess("web", "sublet.entry.serve", environment={}, log=log).load()


class TestTheDatabasesFolder:
    @AS_ROOT
    @pytest.mark.parametrize("name", ["postmaster.new", "postmaster.pid.new"])
    def test_is_written_with_its_accounts_rights(self, open_directory: Path, name: str) -> None:
        server, precious = self.server(open_directory)
        (server.data / name).symlink_to(precious)
        server.discard()
        assert (precious.read_text(), precious.stat().st_uid) == ("precious", 0)

    @AS_ROOT
    def test_is_not_read_through_a_link(self, open_directory: Path) -> None:
        server, precious = self.server(open_directory)
        (server.data / "postmaster.pid").unlink()
        (server.data / "postmaster.pid").symlink_to(precious)
        with pytest.raises(NotOurs, match="is a link"):
            server.discard()
        server.stop()

    @AS_ROOT
    def test_of_sockets_is_not_given_away_through_a_link(self, open_directory: Path) -> None:
        server, precious = self.server(open_directory)
        link = open_directory / "link"
        link.symlink_to(precious.parent)
        with pytest.raises(Exception, match="belongs to somebody else"):
            server._prepare_directory(link)
        assert precious.parent.stat().st_uid == 0

    @AS_ROOT
    def test_takes_files_of_its_account_only(self, open_directory: Path) -> None:
        server, _ = self.server(open_directory)
        assert server.account is not None
        server._as_account('echo made > "$1"', str(server.data / "made"))
        assert (server.data / "made").stat().st_uid == server.account.uid

    def server(self, directory: Path) -> tuple[EmbeddedPostgres, Path]:
        """A server with what a killed run leaves, and a file of root's that must stay as it is."""
        server = EmbeddedPostgres(directory / "postgres")
        assert server.account is not None
        server.data.mkdir(parents=True)
        pid_file = server.data / "postmaster.pid"
        pid_file.write_text("999999999\nmine\n")
        for path in (server.data, pid_file):
            os.chown(path, server.account.uid, server.account.gid)
        precious = directory / "theirs" / "precious"
        precious.parent.mkdir()
        precious.write_text("precious")
        return server, precious
