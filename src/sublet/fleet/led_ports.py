"""Ports of a node that lead to an allocation: as the node is asked for them, and what it answers."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DesiredPort:
    """A port of an allocation, and the port of the node that is to lead there."""

    protocol: Literal["tcp", "udp"]
    port: int
    node_port: int


@dataclass(frozen=True, slots=True)
class AppliedPort:
    """Whether a port of the node leads to an allocation; `why` not, in the node's word, and empty when it does."""

    protocol: str
    port: int
    node_port: int
    is_open: bool
    why: str

    @property
    def was_changed(self) -> bool:
        """Whether the node's firewall did what it was asked for: it does all of it in one step, or nothing."""
        return self.why != "failed"
