"""A folder is deleted with all that is in it, and nothing that is only mounted there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sublet_sandbox.deletion import NotDeleted, delete_folder, mounts_inside

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ours, with a file of ours and a place to mount at, whose path has what mountinfo escapes."""
    place = tmp_path / "ours" / "with a space"
    place.mkdir(parents=True)
    (tmp_path / "ours" / "file").write_text("ours")
    return tmp_path / "ours"


@pytest.fixture(params=["tmpfs", "bind"])
def mounted(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Iterator[Path]:
    """Somebody else's file, mounted inside: from another file system, or from elsewhere on the same one."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = folder / "with a space"
    how = ("-t", "tmpfs", "tmpfs") if request.param == "tmpfs" else ("--bind", str(elsewhere))
    subprocess.run(["mount", *how, str(place)], check=True)
    try:
        (place / "theirs").write_text("theirs")
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


class TestDeletion:
    def test_takes_everything_whoever_may_read_it_and_however_deep(self, folder: Path) -> None:
        deep = folder / "deep"
        deep.mkdir()
        descriptor = os.open(deep, os.O_RDONLY)
        for _ in range(1100):  # a customer's home may go down deeper than Python can call itself
            os.mkdir("d", dir_fd=descriptor)
            inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        os.close(descriptor)
        (folder / "link").symlink_to("/etc")
        delete_folder(folder)
        assert not folder.exists()
        assert Path("/etc/passwd").exists()

    def test_of_what_is_not_there_is_nothing(self, tmp_path: Path) -> None:
        delete_folder(tmp_path / "never")

    def test_is_refused_as_a_whole_while_something_is_mounted_there(self, folder: Path, mounted: Path) -> None:
        assert mounts_inside(folder) == [mounted]
        with pytest.raises(NotDeleted) as refused:
            delete_folder(folder)
        assert f"umount {mounted}" in str(refused.value)
        assert (folder / "file").read_text() == "ours"
        assert (mounted / "theirs").read_text() == "theirs"

    @pytest.mark.parametrize("mounted", ["tmpfs"], indirect=True)
    def test_stops_at_a_border_that_came_in_between(
        self, folder: Path, mounted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sublet_sandbox.deletion.require_no_mounts", lambda _: None)
        with pytest.raises(NotDeleted, match="could not be deleted as a whole"):
            delete_folder(folder)
        assert (mounted / "theirs").read_text() == "theirs"

    def test_goes_no_other_way_in_what_runs_a_demo(self) -> None:
        planted = "import shutil\n\nshutil.rmtree('data')\n"
        for place in ("sandbox/sublet_sandbox/nodes/planted.py", "src/sublet/supervisor/planted.py"):
            ruff = (str(Path(sys.executable).parent / "ruff"), "check", "--no-cache", "--stdin-filename", place, "-")
            done = subprocess.run(ruff, cwd=ROOT, input=planted, capture_output=True, text=True, check=False)
            assert "TID251" in done.stdout, done.stdout + done.stderr
