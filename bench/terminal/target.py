"""What is measured: one account on one node, reached by the browser terminal and by plain ssh."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """An active allocation. `ssh` is the whole plain command that logs in to it, without a remote command; `web_pid` is
    the process that serves the terminal, for its memory (0 leaves those rows out)."""

    url: str
    cookie: str
    allocation_id: str
    ssh: Sequence[str]
    web_pid: int = 0

    @property
    def socket_url(self) -> str:
        """Address of the terminal's WebSocket."""
        return f"{self.url.replace('http', 'ws', 1)}/api/v1/allocations/{self.allocation_id}/terminal"
