"""Where things lie on the user's machine, by the XDG conventions."""

import os
from pathlib import Path


def _home_of(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    # The convention says that a relative path is to be ignored.
    return Path(value) if os.path.isabs(value) else Path.home() / default


def credentials_file() -> Path:
    """URL and token."""
    return _home_of("XDG_CONFIG_HOME", ".config") / "sublet" / "credentials.json"


def ssh_directory() -> Path:
    """Keys, certificates and known hosts of `sublet ssh`: all of it can be made again."""
    return _home_of("XDG_STATE_HOME", ".local/state") / "sublet" / "ssh"
