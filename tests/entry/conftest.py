"""What tests of processes take from the tests of the fleet."""

from tests.fleet.conftest import sshd

__all__ = ["sshd"]
