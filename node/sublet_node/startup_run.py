"""The watcher of a startup script: runs it as its customer, inside what every session of theirs is inside of.

It opens a session by the very modules of PAM by which sshd opens one, so that the script has the login's namespaces,
limits, control group and variables, and nothing of that is written down twice. Three processes: the watcher keeps what
is written; root's part of the session holds that open; the script is the customer's.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import json
import os
import pwd
import select
import time
from collections.abc import Iterator
from typing import Any

from . import authorized_keys, files, moment, paths, startup, systemd
from .startup import KEPT_BYTES, Run

_SERVICE = b"sshd"
_TTY = 3
_SUCCESS, _CONVERSATION_ERROR = 0, 19
_FLUSH_SECONDS = 2.0
_IS_OPEN = b'"open"'
_LEFT_IN_PIPE = 1 << 20  # the most that a pipe holds
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"
_SCRIPT = "/tmp/startup-script"  # noqa: S108  (in the login's own /tmp, which nobody else is shown)


def watch(login: str) -> int:
    """Run the script of a login if it waits for that; 0 also when another watcher has it, or it has run."""
    with startup.being_watched(login) as free:
        if not free:
            return 0
        run = startup.read(login)
        if run.state != "waiting":
            return 0
        script = (startup.folder(login) / "script").read_bytes()
        startup.forget_stop(login)
        _Watched(login, run, script).run_to_its_end()
    return 0


class _Watched:
    """One run, and the last of what it wrote."""

    def __init__(self, login: str, run: Run, script: bytes) -> None:
        self.login = login
        self.run = run
        self.script = script
        self._chunks: collections.deque[bytes] = collections.deque()
        self._held = 0
        self._written_at = 0.0
        self._changed = False

    def run_to_its_end(self) -> None:
        """Begin it and keep what it writes; returns when nobody can write any more."""
        output, into = os.pipe2(os.O_CLOEXEC)
        said, say = os.pipe2(os.O_CLOEXEC)
        go, let = os.pipe2(os.O_CLOEXEC)
        child = os.fork()
        if child == 0:
            for end in (output, said, let):
                os.close(end)
            os._exit(_hold_session(self.login, self.script, into, say, go))
        for end in (into, say, go):
            os.close(end)
        words = self._follow(output, said, let)
        os.waitpid(child, 0)
        told = self._told(words)
        if told is None:
            return  # it waits, and is begun when it is asked for again
        self._drain_for_ever(output, is_noted=self._end(told))

    def _follow(self, output: int, said: int, let: int) -> bytes:
        """Keep what is written until the session's own part has said how the script ended, or has ended itself."""
        words, open_ends = b"", [output, said]
        while said in open_ends:
            ready, _, _ = select.select(open_ends, [], [], _FLUSH_SECONDS)
            for end in ready:
                chunk = os.read(end, 1 << 16)
                if not chunk:
                    open_ends.remove(end)
                elif end == said:
                    words += chunk
                else:
                    self._keep(chunk)
            if self.run.state == "waiting" and _IS_OPEN in words:
                self._note_begin()
                os.write(let, b"g")
            self._flush()
        left = _LEFT_IN_PIPE
        while left > 0 and select.select([output], [], [], 0)[0] and (chunk := os.read(output, 1 << 16)):
            self._keep(chunk)
            left -= len(chunk)
        return words

    def _note_begin(self) -> None:
        # From here on it has been begun, whatever happens: twice is worse than not at all.
        self.run.state, self.run.boot_id, self.run.began_at = "running", moment.boot_id(), moment.now()
        startup.write(self.login, self.run)
        files.remove(startup.folder(self.login) / "script")

    def _told(self, words: bytes) -> dict[str, Any] | None:
        """What the session's own part said of the end; None where the script never began because nobody is let in."""
        told: dict[str, Any] = {}
        for line in words.splitlines():
            told.update(json.loads(line))
        if self.run.state == "waiting" and "refused" not in told and not authorized_keys.is_open(self.login):
            return None
        return told

    def _keep(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._held += len(chunk)
        self.run.output_bytes += len(chunk)
        self._changed = True
        while self._held - len(self._chunks[0]) >= KEPT_BYTES:
            self._held -= len(self._chunks.popleft())

    def _flush(self, *, at_once: bool = False) -> None:
        if self._changed and (at_once or time.monotonic() - self._written_at >= _FLUSH_SECONDS):
            with contextlib.suppress(OSError):  # a full disk: the next time it may not be
                files.replace(startup.folder(self.login) / "output", b"".join(self._chunks)[-KEPT_BYTES:], mode=0o600)
                self._changed = False
            self._written_at = time.monotonic()

    def _end(self, told: dict[str, Any]) -> bool:
        run = self.run
        run.state, run.ended_at = "ended", moment.now()
        stopped = startup.stopped_by(self.login)
        if "refused" in told:
            run.ended_by, run.detail = "refused", told["refused"]
        elif stopped is not None and told.get("exit_code") is None:
            run.ended_by = stopped
        elif told.get("exit_code") is not None:
            run.ended_by, run.exit_code = "exit", told["exit_code"]
        elif told.get("signal") is not None:
            run.ended_by, run.signal = "signal", told["signal"]
        else:
            run.ended_by, run.detail = "interrupted", "Its session was ended from outside."
        return self._note_end()

    def _note_end(self) -> bool:
        """False where the disk is full: then it goes on running by its record, and is noted as soon as it can be."""
        self._flush(at_once=True)
        try:
            startup.write(self.login, self.run)
        except FileNotFoundError:  # its allocation was released
            return True
        except OSError:
            return False
        return True

    def _drain_for_ever(self, output: int, *, is_noted: bool) -> None:
        """What the script left running may go on writing where it was begun: nobody keeps that any more."""
        is_open = True
        while is_open or not is_noted:
            if not is_noted and not (is_open and select.select([output], [], [], _FLUSH_SECONDS)[0]):
                if not is_open:
                    time.sleep(_FLUSH_SECONDS)
                is_noted = not startup.folder(self.login).exists() or self._note_end()
            else:
                is_open = bool(os.read(output, 1 << 16))


def _hold_session(login: str, script: bytes, into: int, say: int, go: int) -> int:
    """Root's part: open the session, start the script in it, wait for its end and close the session again."""

    def tell(**words: object) -> None:
        os.write(say, json.dumps(words).encode() + b"\n")

    try:
        account = pwd.getpwnam(login)
        os.fchown(into, account.pw_uid, account.pw_gid)  # a script opens /dev/stdout and the like again
        # In the session's own mounts they are not to be seen.
        folders = [
            (os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC), path.name) for path in authorized_keys.files_of(login)
        ]
        with _session(login) as variables:
            _require_own_group(account.pw_uid)
            # Whoever suspends it closes these first and ends what is in its group next: so a session that was opened
            # after that sees them closed, and one that was opened before is ended.
            if not any(_is_in(folder, name) for folder, name in folders):
                return 0
            tell(open=True)
            if not os.read(go, 1):
                return 0
            child = os.fork()
            if child == 0:
                _become(account, variables, script, into, say)
            os.close(into)
            status = os.waitpid(child, 0)[1]
            if os.WIFSIGNALED(status):
                tell(signal=os.WTERMSIG(status))
            else:
                tell(exit_code=os.WEXITSTATUS(status))
    except (OSError, KeyError, LookupError) as error:
        tell(refused=str(error)[:300])
    return 0


def _is_in(folder: int, name: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        return True
    return False


def _require_own_group(uid: int) -> None:
    """Outside of its slice a program has no limits, so there none of it runs."""
    if systemd.is_running():
        with open("/proc/self/cgroup", encoding="ascii", errors="replace") as stream:
            if f"/{systemd.slice_name(uid)}/" not in stream.read().replace("\n", "/\n"):
                raise OSError("its session got no place in its own control group")


def _become(account: pwd.struct_passwd, variables: dict[str, str], script: bytes, into: int, say: int) -> None:
    """The customer's part; does not return. What keeps it from beginning is written where the script would write."""
    try:
        os.setsid()
        nothing = os.open("/dev/null", os.O_RDWR)
        for descriptor, end in ((0, nothing), (1, into), (2, into)):
            os.dup2(end, descriptor)
        # The same root as sshd's.
        os.chroot(paths.SESSION_ROOT)
        os.chdir("/")
        os.setgroups([account.pw_gid])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        os.chdir(account.pw_dir)
        os.umask(0o022)
        shell = account.pw_shell
        own = {
            "USER": account.pw_name,
            "LOGNAME": account.pw_name,
            "HOME": account.pw_dir,
            "SHELL": shell,
            "PATH": _PATH,
        }
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_SCRIPT)
        descriptor = os.open(_SCRIPT, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o700)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(script)
        # Without a first line that names a program it is the login's own shell that reads it.
        command = [_SCRIPT] if script.startswith(b"#!") else [shell, _SCRIPT]
        os.execve(command[0], command, {**own, **variables})  # noqa: S606  (that is what it is for)
    except OSError as error:
        os.write(2, f"The startup script could not be begun: {error}\n".encode())
    finally:
        os._exit(127)


class _Conversation(ctypes.Structure):
    _fields_ = [("ask", ctypes.c_void_p), ("data", ctypes.c_void_p)]


@contextlib.contextmanager
def _session(login: str) -> Iterator[dict[str, str]]:
    """A session of PAM, opened and closed by this process; yields the variables that its modules set."""
    pam = ctypes.CDLL("libpam.so.0", mode=ctypes.RTLD_GLOBAL)  # as its modules find it in sshd
    asking = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    refuse = asking(_nobody_answers)
    conversation = _Conversation(ctypes.cast(refuse, ctypes.c_void_p), None)
    handle = ctypes.c_void_p()
    pam.pam_getenvlist.restype = ctypes.POINTER(ctypes.c_char_p)
    _check(pam.pam_start(_SERVICE, login.encode(), ctypes.byref(conversation), ctypes.byref(handle)), "begin")
    status = pam.pam_set_item(handle, _TTY, ctypes.c_char_p(b"ssh"))
    try:
        _check(status or pam.pam_open_session(handle, 0), "open")
        try:
            yield _variables(pam.pam_getenvlist(handle))
        finally:
            status = pam.pam_close_session(handle, 0)
    finally:
        pam.pam_end(handle, status)


def _variables(listed: Any) -> dict[str, str]:
    """What `pam_getenvlist` gave, as sshd passes it on."""
    found: dict[str, str] = {}
    at = 0
    while listed and listed[at] is not None:
        name, _, value = os.fsdecode(listed[at] or b"").partition("=")
        found[name] = value
        at += 1
    return {name: value for name, value in found.items() if not name.startswith("SSH_")}


def _nobody_answers(*_: object) -> int:
    return _CONVERSATION_ERROR


def _check(status: int, what: str) -> None:
    if status != _SUCCESS:
        raise OSError(f"PAM did not {what} a session for it (status {status})")
