"""What a node says while it runs: one log file in its folder, begun anew at each start."""

import contextlib
from pathlib import Path
from typing import IO

from sublet_sandbox.own_files import NotOurs, open_own

_NAME = "console.log"


def begin(folder: Path) -> IO[bytes]:
    """The log, empty, for the node to write to; whoever asked closes it. NotOurs if a link is in its place."""
    return open(folder / _NAME, "wb", opener=open_own)


def read(folder: Path) -> str:
    """What the node said since it was last started; nothing if there is no log, or a link in its place."""
    with (
        contextlib.suppress(FileNotFoundError, NotOurs),
        open(folder / _NAME, errors="replace", opener=open_own) as log,
    ):
        return log.read()
    return ""
