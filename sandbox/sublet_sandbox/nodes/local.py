"""What every node on this machine can do, whatever it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from .commands import Completed

NodeKind = Literal["systemd", "namespace"]


class NodeStartFailed(Exception):
    """A node did not come up; the message says what was tried last and ends with the node's own log."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether this machine can run a kind of node; `reason` and `fix` are empty when it can."""

    kind: NodeKind
    available: bool
    reason: str = ""
    fix: str = ""

    def __str__(self) -> str:
        """One plain line for a terminal or a skipped test."""
        if self.available:
            return f"{self.kind} nodes can run here"
        return f"{self.kind} nodes cannot run here: {self.reason}. {self.fix}".rstrip()


@dataclass(frozen=True, slots=True)
class StandInGpu:
    """A device file that opens, shown by the node as a GPU."""

    index: int
    uuid: str
    model: str
    memory_mib: int
    major: int
    minor: int

    @property
    def device(self) -> str:
        """Path of the device file on the node."""
        return f"/dev/nvidia{self.index}"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a node needs to join: the helper, the port of the control plane on 127.0.0.1, and the one-time token."""

    helper: Path
    control_plane_port: int
    token: str
    deny: Sequence[str] = field(default=())
    allow: Sequence[str] = field(default=())
    options: Sequence[str] = field(default=())


class LocalNode(Protocol):
    """A real Linux node with its own accounts and sshd, on this machine and gone without a trace after `stop`."""

    @property
    def name(self) -> str:
        """The node's name, also its host name."""

    @property
    def kind(self) -> NodeKind:
        """What the node is made of."""

    @property
    def address(self) -> str:
        """The address at which its sshd answers, from this machine only."""

    @property
    def port(self) -> int:
        """The port at which its sshd answers."""

    @property
    def limits_enforced(self) -> bool:
        """False where the kernel enforces no CPU, memory and task limits; then it must be labelled so."""

    @property
    def label(self) -> str:
        """Words to show beside the node: "limits enforced" or "limits not enforced"."""

    @property
    def gpus(self) -> Sequence[StandInGpu]:
        """The node's stand-in GPUs."""

    async def start(self) -> None:
        """Bring the node up until sshd answers. Removes what a killed earlier run of this name left behind."""

    async def stop(self) -> None:
        """Take everything away but the node's data directory. Safe to call twice and after a failed start."""

    async def discard(self) -> None:
        """Stop, and remove the data too."""

    async def run_as_root(
        self, *argv: str, stdin: bytes = b"", timeout_seconds: float = 60, check: bool = True
    ) -> Completed:
        """Run a command as the node's root, not over SSH (for enrolment and tests)."""

    async def write_file(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Put a file on the node."""

    async def enrol_url(self, port: int) -> str:
        """The base URL, valid on the node only, that reaches port `port` on this machine's 127.0.0.1."""

    async def enrol(self, enrolment: Enrolment) -> str:
        """Enrol the node by its own helper, as a person would; returns what the helper printed."""

    async def pause_network(self) -> None:
        """Cut the node off, as if the cable were pulled."""

    async def resume_network(self) -> None:
        """Undo `pause_network`."""

    async def kill_power(self) -> None:
        """Power loss: everything on the node ends at once. `start` boots it again with its data."""

    def logs(self) -> str:
        """The node's console output so far."""
