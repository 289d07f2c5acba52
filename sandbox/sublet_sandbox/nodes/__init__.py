"""Real Linux nodes on this machine, for the demo and the tests."""

from .local import Availability, Enrolment, LocalNode, NodeKind, NodeStartFailed, StandInGpu
from .namespace import NamespaceNode
from .requirements import availability, best, install_requirements, missing_packages
from .systemd import SystemdNode

__all__ = [
    "Availability",
    "Enrolment",
    "LocalNode",
    "NamespaceNode",
    "NodeKind",
    "NodeStartFailed",
    "StandInGpu",
    "SystemdNode",
    "availability",
    "best",
    "install_requirements",
    "missing_packages",
]
