"""Passwords: argon2id, in threads, a few at a time, and with the same effort for accounts that do not exist."""

import os
import unicodedata

import argon2
from anyio import CapacityLimiter, to_thread

# OWASP's larger memory setting with a second pass; one lane, because threads are ours to limit.
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=47_104, parallelism=1)

_NOBODY = _hasher.hash(os.urandom(16))

# Each hash takes 46 MiB and a core, so a flood of logins queues here instead of taking the machine's memory.
_limiter = CapacityLimiter(max(2, os.cpu_count() or 1))


def _normal(password: str) -> bytes:
    # The same letters typed on another keyboard may arrive as other code points.
    return unicodedata.normalize("NFKC", password).encode()


def _verify(stored: str, password: bytes) -> bool:
    try:
        return _hasher.verify(stored, password)
    except argon2.exceptions.VerificationError:
        return False


async def hash_password(password: str) -> str:
    """The encoded argon2id hash."""
    return await to_thread.run_sync(_hasher.hash, _normal(password), limiter=_limiter)


async def verify(stored: str | None, password: str) -> bool:
    """Whether the password is the stored one; with None it takes as long and is False."""
    right = await to_thread.run_sync(_verify, stored or _NOBODY, _normal(password), limiter=_limiter)
    return right and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(stored)
