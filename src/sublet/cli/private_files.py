"""Files that only their owner may read, replaced whole or not at all."""

import os
import tempfile
from pathlib import Path


def make_private_directory(path: Path) -> None:
    """Make the directory 0700, its parents as the umask says; one of ours that is open wider is closed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)


def write_private(path: Path, content: str) -> None:
    """Write 0600 and rename into place, so that a reader sees the old content or the new."""
    # mkstemp makes the file 0600 from the start: it is never readable by others, not for a moment.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
