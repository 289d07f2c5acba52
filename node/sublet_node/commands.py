"""Running the few programs that have no better interface."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator

from .errors import NodeError, said_used_up

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "SYSTEMD_COLORS": "0",
}


_shared: set[int] = set()


@contextlib.contextmanager
def sharing(descriptor: int) -> Iterator[None]:
    """Let every program started meanwhile hold this descriptor too.

    A lock on it then lasts until the last of them has ended, even when this process is killed: whoever repeats the
    work waits for a program that is still at it.
    """
    _shared.add(descriptor)
    try:
        yield
    finally:
        _shared.discard(descriptor)


def run(*argv: str, stdin: bytes = b"", timeout_seconds: float = 20, ok: tuple[int, ...] = (0,)) -> str:
    """Run a program to its end and return its output; any status not in `ok` is a NodeError that quotes it."""
    status, output, errors = attempt(*argv, stdin=stdin, timeout_seconds=timeout_seconds)
    if status not in ok:
        said = (errors or output).strip()[-500:] or "no message"
        message = f"{' '.join(argv[:6])} ended with status {status}: {said}"
        raise said_used_up(message) or NodeError("command_failed", message, retryable=True)
    return output


def attempt(*argv: str, stdin: bytes = b"", timeout_seconds: float = 20) -> tuple[int, str, str]:
    """Run a program and return its status and both outputs; only a missing program or a missed deadline raises."""
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            timeout=timeout_seconds,
            env=ENVIRONMENT,
            cwd="/",
            check=False,
            pass_fds=tuple(_shared),
        )
    except FileNotFoundError:
        raise NodeError("program_missing", f"The node has no program {argv[0]}. Install it and try again.") from None
    except subprocess.TimeoutExpired:
        raise NodeError(
            "command_timeout", f"{' '.join(argv[:6])} did not finish within {timeout_seconds:g} s.", retryable=True
        ) from None
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def installed(program: str) -> bool:
    """True when a program is on the node's path."""
    return shutil.which(program, path=ENVIRONMENT["PATH"]) is not None
