"""Running the command line: in this process for speed, as a real process for exit codes, on a terminal for looks."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from struct import pack

from click.testing import CliRunner, Result

from sublet.cli.main import cli
from tests.client.fake_api import FakeApi
from tests.client.fake_world import CUSTOMER_TOKEN, OPERATOR_TOKEN

PROGRAM = [sys.executable, "-m", "sublet.cli"]
DEADLINE_SECONDS = 30.0


@dataclass
class Cli:
    """A user's machine: a home of its own, and a token for the server."""

    api: FakeApi
    home: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """What the programs see: nothing of the environment of the tests but the path."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_STATE_HOME": str(self.home / "state"),
            "TZ": "UTC",
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            **self.extra,
        }

    def sign_in(self, token: str = CUSTOMER_TOKEN) -> None:
        """As scripts do: by the environment."""
        path = self.home / "token"
        path.write_text(token + "\n")
        self.extra |= {"SUBLET_URL": self.api.url, "SUBLET_TOKEN_FILE": str(path)}

    def as_operator(self) -> None:
        """Use an operator's token."""
        self.sign_in(OPERATOR_TOKEN)

    def run(self, *arguments: str, text: str | None = None) -> Result:
        """Run in this process."""
        cleared: dict[str, str | None] = {name: None for name in os.environ if name not in self.env}
        return CliRunner().invoke(cli, list(arguments), prog_name="sublet", env={**cleared, **self.env}, input=text)

    def spawn(self, *arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        """Run as a process of its own, not on a terminal."""
        return subprocess.run(
            [*PROGRAM, *arguments],
            env=self.env,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_SECONDS,
        )

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a process and leave it running; whoever starts it ends it."""
        return subprocess.Popen(
            [*PROGRAM, *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def on_terminal(
        self, *arguments: str, columns: int = 100, typed: str = "", env: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Run on a pseudo-terminal of this width; what is typed is sent when the program first stops to ask."""
        process, screen = pty.fork()
        if process == 0:
            ioctl(0, termios.TIOCSWINSZ, pack("HHHH", 40, columns, 0, 0))
            os.execve(PROGRAM[0], [*PROGRAM, *arguments], {**self.env, "TERM": "xterm", **(env or {})})
        shown, code = b"", None
        deadline = time.monotonic() + DEADLINE_SECONDS
        try:
            while time.monotonic() < deadline:
                ready, _, _ = select.select([screen], [], [], 0.1)
                if ready:
                    try:
                        piece = os.read(screen, 65536)
                    except OSError:
                        break
                    if not piece:
                        break
                    shown += piece
                elif typed and shown.rstrip(b" ").endswith((b":", b"]", b"]:")):
                    os.write(screen, typed.encode())
                    typed = ""
        finally:
            os.close(screen)
            code = _reap(process, deadline)
        return code, shown.decode().replace("\r\n", "\n")


def _reap(process: int, deadline: float) -> int:
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        os.kill(process, 9)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
