"""Running a program and saying clearly what went wrong when it fails."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from sublet_sandbox.parent import die_with_parent

_LAST_WORDS_SECONDS = 5.0


class CommandFailed(Exception):
    """A program that had to succeed did not; the message holds its name and the end of what it said."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What a finished program left: its exit status and its two outputs."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text, without the trailing line break."""
        return self.stdout.decode("utf-8", "replace").rstrip("\n")


async def run(
    *argv: str,
    stdin: bytes = b"",
    timeout_seconds: float = 60,
    check: bool = True,
    cwd: str | None = None,
    outlives_us: bool = True,
) -> Completed:
    """Run a program to its end; kills it at the deadline. With `check`, a non-zero status raises CommandFailed.

    It has a session of its own: a Ctrl-C in our terminal is for us, and must not cut what cleans up after us. When it
    has to be ended, the programs that it started end with it. Should we be killed with -9, it goes on to its end, or
    with `outlives_us=False` is killed too.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
        start_new_session=True,
        preexec_fn=None if outlives_us else die_with_parent(signal.SIGKILL),
    )
    try:
        stdout, stderr = await asyncio.wait_for(process.communicate(stdin), timeout_seconds)
    except TimeoutError:
        raise CommandFailed(f"{_brief(argv)} did not finish within {timeout_seconds:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            # Whatever it started and is just dying holds its outputs open until it is gone.
            for output in (process.stdout, process.stderr):
                assert output is not None  # both are pipes
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(output.read(), _LAST_WORDS_SECONDS)
    status = process.returncode
    completed = Completed(-1 if status is None else status, stdout, stderr)
    if check and completed.status != 0:
        said = (stderr or stdout).decode("utf-8", "replace").strip()
        raise CommandFailed(f"{_brief(argv)} ended with status {completed.status}: {said[-600:] or 'no message'}")
    return completed


def _brief(argv: Sequence[str]) -> str:
    line = " ".join(argv)
    return line if len(line) <= 160 else line[:157] + "..."
