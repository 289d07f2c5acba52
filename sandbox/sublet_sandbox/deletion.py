"""Deleting a folder with all that is in it, and nothing that only seems to be in it."""

import subprocess
from pathlib import Path

_ESCAPED = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


class NotDeleted(OSError):
    """A folder, or a part of it, is still there; the message says why and what to do."""


def mounts_inside(folder: Path) -> list[Path]:
    """What is mounted on the folder or on anything in it, the newest first; bind mounts too."""
    place = folder.resolve()
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        word = line.split(" ")[4]
        for escape, character in _ESCAPED.items():
            word = word.replace(escape, character)
        if Path(word).is_relative_to(place):
            found.append(Path(word))
    return found[::-1]


def require_no_mounts(folder: Path, *, on_itself: bool = False) -> None:
    """NotDeleted when something is mounted in a folder, with how to unmount that; on the folder too, unless allowed."""
    if mounted := [place for place in mounts_inside(folder) if not (on_itself and place == folder.resolve())]:
        raise NotDeleted(
            f"{mounted[0]} is mounted, so nothing in {folder} was deleted. Unmount it: umount {mounted[0]}"
        )


def delete_folder(folder: Path) -> None:
    """Delete a folder and everything in it on its own file system; one that is not there is fine.

    NotDeleted, and nothing was deleted, when something is mounted in it: what one sees there may be anybody's. Should a
    file system come in between all the same, it stays as it is.
    """
    if not folder.exists():
        return
    require_no_mounts(folder)
    # The one tool that goes down any depth and stops at borders. A folder of ours may have many owners, and long paths.
    command = ["rm", "--recursive", "--force", "--one-file-system", "--preserve-root=all", "--", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotDeleted(f"{folder} could not be deleted as a whole: {done.stderr.strip()[-600:]}")
