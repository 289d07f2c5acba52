"""What is a link, somebody else's or open to others is refused with a sentence, and what it leads to stays as it is."""

import os
import stat
from pathlib import Path

import pytest

from sublet_sandbox.own_files import NotOurs, folder_below, make_own, open_own, put, require_folder, require_own
from tests.supervisor.running import NOBODY

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another account")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of ours, in which links are planted."""
    folder = tmp_path / "ours"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Another folder, with a file in it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir(mode=0o755)
    (folder / "precious").write_text("precious")
    return folder


class TestAFolderOfOurs:
    def test_is_made_with_what_is_above_it_and_is_fine_again(self, root: Path) -> None:
        for _ in range(2):
            make_own(root / "a" / "b", mode=0o700)
        assert stat.S_IMODE((root / "a" / "b").stat().st_mode) == 0o700

    def test_need_not_be_there(self, root: Path) -> None:
        require_own(root / "none")
        require_folder(root / "none")

    def test_is_no_link(self, root: Path, elsewhere: Path) -> None:
        (root / "link").symlink_to(elsewhere)
        for refuse in (require_own, require_folder, make_own):
            with pytest.raises(NotOurs, match=r"ours/link is a link.*Nothing was changed\. Remove the link\.$"):
                refuse(root / "link")
        require_own(root / "link", by_link=True)

    @AS_ROOT
    def test_is_not_reached_by_a_link_of_somebody_else(self, root: Path, elsewhere: Path) -> None:
        (root / "link").symlink_to(elsewhere)
        os.chown(root / "link", NOBODY, NOBODY, follow_symlinks=False)
        with pytest.raises(NotOurs, match="is a link"):
            require_own(root / "link", by_link=True)

    def test_is_no_file(self, root: Path) -> None:
        (root / "file").touch()
        for refuse in (require_own, require_folder, make_own):
            with pytest.raises(NotOurs, match="is not a folder"):
                refuse(root / "file")

    @AS_ROOT
    def test_is_nobody_elses(self, root: Path) -> None:
        os.chown(root, NOBODY, NOBODY)
        with pytest.raises(NotOurs, match=f"belongs to somebody else .user id {NOBODY}.*Remove it, or ask them"):
            require_own(root, otherwise=", or ask them")

    @pytest.mark.parametrize("mode", [0o720, 0o702])
    def test_is_not_open_to_others(self, root: Path, mode: int) -> None:
        root.chmod(mode)
        with pytest.raises(NotOurs, match=r"can be written by others.*chmod go-w"):
            require_own(root)


class TestAFileOfOurs:
    def test_is_not_opened_through_a_link(self, root: Path, elsewhere: Path) -> None:
        (root / "log").symlink_to(elsewhere / "precious")
        with pytest.raises(NotOurs, match=r"log is a link.*Nothing was changed"):
            open_own(str(root / "log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        assert (elsewhere / "precious").read_text() == "precious"

    def test_is_made_for_nobody_else(self, root: Path) -> None:
        os.close(open_own(str(root / "log"), os.O_WRONLY | os.O_CREAT))
        assert stat.S_IMODE((root / "log").stat().st_mode) == 0o600

    def test_that_is_missing_is_said_as_ever(self, root: Path) -> None:
        with pytest.raises(FileNotFoundError):
            open_own(str(root / "none"), os.O_RDONLY)


class TestAFileBelowARoot:
    def test_is_put_with_its_folders_and_again(self, root: Path) -> None:
        for content in (b"first, and longer", b"second"):
            put(root, "a/b/file", content, mode=0o750)
        assert (root / "a/b/file").read_bytes() == b"second"
        assert [stat.S_IMODE((root / one).stat().st_mode) for one in ("a", "a/b", "a/b/file")] == [0o755, 0o755, 0o750]

    @AS_ROOT
    def test_belongs_to_whom_it_is_given_and_so_does_what_is_made_on_the_way(self, root: Path) -> None:
        (root / "a").mkdir()
        put(root, "a/b/file", b"", owner=NOBODY)
        assert [(root / one).stat().st_uid for one in ("a", "a/b", "a/b/file")] == [0, NOBODY, NOBODY]

    def test_takes_the_place_of_a_link_and_leaves_what_that_led_to(self, root: Path, elsewhere: Path) -> None:
        (root / "file").symlink_to(elsewhere / "precious")
        put(root, "file", b"ours")
        assert not (root / "file").is_symlink()
        assert (elsewhere / "precious").read_text() == "precious"

    @pytest.mark.parametrize("link", ["a", "a/b"])
    def test_is_not_put_through_a_linked_folder(self, root: Path, elsewhere: Path, link: str) -> None:
        (root / link).parent.mkdir(exist_ok=True)
        (root / link).symlink_to(elsewhere)
        (elsewhere / "b").mkdir()
        with pytest.raises(NotOurs, match=f"ours/{link} is a link.*Nothing was changed"):
            put(root, "a/b/precious", b"ours")
        assert (elsewhere / "precious").read_text() == "precious"
        assert list((elsewhere / "b").iterdir()) == []

    def test_is_not_put_below_a_linked_root(self, root: Path, elsewhere: Path) -> None:
        (root / "link").symlink_to(elsewhere)
        with pytest.raises(NotOurs, match="ours/link is a link"):
            put(root / "link", "precious", b"ours")
        assert (elsewhere / "precious").read_text() == "precious"

    def test_is_not_put_below_a_file(self, root: Path) -> None:
        (root / "a").touch()
        with pytest.raises(NotOurs, match="ours/a is not a folder"), folder_below(root, "a/b"):
            pass
