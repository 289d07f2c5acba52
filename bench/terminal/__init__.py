"""Row 5: the browser terminal against the plain ssh client to the same account: echo, bulk output, memory."""

from bench.terminal.measure import run
from bench.terminal.target import Target

__all__ = ["Target", "run"]
