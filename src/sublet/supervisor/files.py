"""The demo's files under the data directory: keys made once, logs, the lock, and where everything lies."""

import fcntl
import os
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sublet.core.errors import SubletError
from sublet.core.own_folders import open_own, require_own
from sublet.core.settings import ENCRYPTION_KEY
from sublet.supervisor.embedded_postgres import unprivileged_account
from sublet.supervisor.info import FILE, LOCK, write_privately
from sublet_sandbox.deletion import delete_folder

FILE_LOCK_SECONDS = 0.5  # `sublet demo info` holds the lock for a moment when it looks


class DataDirectoryUnusable(SubletError):
    """The data directory cannot be made or written."""

    code = "data_directory_unusable"


class AlreadyRunning(SubletError):
    """Another `sublet up` uses the same data directory."""

    code = "already_running"


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """Paths below one data directory."""

    root: Path

    @property
    def keys(self) -> Path:
        """Secrets that the demo generated; mode 0700."""
        return self.root / "keys"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.root / "logs"

    @property
    def postgres(self) -> Path:
        """The embedded database."""
        return self.root / "postgres"

    @property
    def nodes(self) -> Path:
        """What the demo's node keeps."""
        return self.root / "nodes"

    @property
    def cache(self) -> Path:
        """What may be deleted and is made again: the node's root filesystem."""
        return self.root / "cache"

    @property
    def operator_token(self) -> Path:
        """The operator's API token."""
        return self.keys / "operator.token"

    @property
    def customer_token(self) -> Path:
        """The customer's API token."""
        return self.keys / "customer.token"

    @property
    def sandbox(self) -> Path:
        """What the card sandbox keeps."""
        return self.root / "sandbox.db"

    @property
    def mailbox(self) -> Path:
        """Mail that was sent in the demo."""
        return self.root / "mailbox"

    @property
    def exist(self) -> bool:
        """Whether an `up` ever used this directory."""
        try:
            (self.root / LOCK).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def require_own(self) -> None:
        """NotOurs unless every folder of the demo that exists is ours, and nobody else can change what lies in it.

        Whoever starts or deletes a demo, or opens its keys, asks this first. The data directory and the cache may lie
        elsewhere and be reached by a link.
        """
        require_own(self.root, by_link=True)
        for directory in (self.keys, self.nodes, self.logs, self.mailbox, self.postgres):
            require_own(directory)
        require_own(self.cache, by_link=True)
        if os.path.lexists(data := self.postgres / "data"):
            account = unprivileged_account()
            require_own(data, owner=account.uid if account else None)

    def prepare(self) -> None:
        """Make the directories; DataDirectoryUnusable if that fails, NotOurs where somebody else could change them."""
        try:
            self.require_own()
            # What we make may be entered by the database's account, whatever the umask; what exists stays as it is.
            for directory in (self.root, self.postgres):
                if not directory.is_dir():
                    directory.mkdir(mode=0o711, parents=True)
                    directory.chmod(0o711)
            for directory in (self.keys, self.logs, self.nodes, self.mailbox, self.cache):
                directory.mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass  # so the directory can be written
        except OSError as error:
            raise DataDirectoryUnusable(
                f"The data directory {self.root} cannot be written ({error.strerror}: {error.filename}). Nothing was "
                "started. Set SUBLET_DATA_DIR to a directory that you own, for example: "
                "SUBLET_DATA_DIR=$HOME/sublet make up"
            ) from error

    def lock(self) -> IO[str]:
        """The lock of this directory, held until closed; AlreadyRunning when another `up` has it."""
        lock = open(self.root / LOCK, "a+", opener=open_own)  # noqa: SIM115 - whoever asked closes it
        deadline = time.monotonic() + FILE_LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.02)
                    continue
                lock.seek(0)
                owner = lock.read().strip()
                lock.close()
                raise AlreadyRunning(
                    f"Sublet already runs on {self.root}{f' (process {owner})' if owner else ''}. Nothing was started "
                    "or changed. `sublet demo info` shows where it is. Stop it with Ctrl-C, or set SUBLET_DATA_DIR and "
                    "SUBLET_PORT to run another beside it."
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            return lock

    def delete(self) -> None:
        """Remove what an `up` made here, the lock last, and the directory when nothing else is in it.

        What node and database keep is theirs to remove before. A key that encrypts another database's secrets stays: no
        copy of that database could be opened without it.
        """
        if self.keys.is_dir():
            for key in self.keys.iterdir():
                if key.name != ENCRYPTION_KEY:
                    key.unlink()
            if not any(self.keys.iterdir()):
                self.keys.rmdir()
        for directory in (self.nodes, self.mailbox, self.cache, self.logs):
            if directory.is_symlink():  # what it leads to may have other users
                directory.unlink()
            elif directory.exists():
                delete_folder(directory)
        for file in (*self.root.glob(f"{self.sandbox.name}*"), self.root / FILE, self.root / LOCK):
            file.unlink(missing_ok=True)
        if not any(self.root.iterdir()):
            self.root.rmdir()

    def encryption_key(self) -> Path:
        """The key for what the embedded database encrypts, and nothing else; the same one at every start."""
        return self._made_once("embedded-encryption.key", secrets.token_hex(32))

    def secret(self, name: str, prefix: str = "") -> Path:
        """A file with a generated secret; the same one at every start."""
        return self._made_once(name, f"{prefix}{secrets.token_urlsafe(24)}")

    def _made_once(self, name: str, new: str) -> Path:
        """The file of a key or secret; what is new is written only where there is none, or an empty one."""
        self.require_own()
        path = self.keys / name
        if not path.exists() or not path.stat().st_size:
            write_privately(path, f"{new}\n")
        return path
