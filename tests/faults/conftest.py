"""What tests of faults share."""

from tests.allocations.conftest import rental

__all__ = ["rental"]
