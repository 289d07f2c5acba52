"""Passwords of tests cost little: what is tested elsewhere is not paid for by every test that needs somebody."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import argon2

QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@contextmanager
def quick_hashes() -> Iterator[None]:
    """Meanwhile passwords are hashed as ever, by the same function with the least effort.

    Half of the time of a test that signs two people in went into the effort. Tests about passwords spend it.
    """
    from sublet.identity import passwords  # noqa: PLC0415 - not every test needs it

    with mock.patch.multiple(passwords, _hasher=QUICK, _NOBODY=QUICK.hash(b"nobody")):
        yield
