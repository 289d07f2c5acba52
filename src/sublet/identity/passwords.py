"""Passwords: argon2id, with the same effort for accounts that do not exist. All of it takes time, in a thread."""

import os
import unicodedata
from dataclasses import dataclass

import argon2

from sublet.identity.password_rules import refuse_weak

# OWASP's larger memory setting with a second pass; one lane, because threads are ours to limit.
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=47_104, parallelism=1)

_NOBODY = _hasher.hash(os.urandom(16))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is the stored one; `rehashed` replaces what is stored where that was made with weaker
    parameters than today's."""

    right: bool
    rehashed: str | None = None


def _normal(password: str) -> bytes:
    # The same letters typed on another keyboard may arrive as other code points.
    return unicodedata.normalize("NFKC", password).encode()


def hash_password(password: str) -> str:
    """The encoded argon2id hash."""
    return _hasher.hash(_normal(password))


def hash_strong(password: str, *, email: str, name: str) -> str:
    """The hash of a password that would not be guessed; PasswordTooWeak for any other."""
    refuse_weak(password, email=email, name=name)
    return hash_password(password)


def verify(stored: str | None, password: str) -> Verdict:
    """Look at a password; with None for what is stored it takes as long, and is not right."""
    typed = _normal(password)
    try:
        _hasher.verify(stored or _NOBODY, typed)
    except argon2.exceptions.VerificationError:
        return Verdict(right=False)
    if stored is None:
        return Verdict(right=False)
    return Verdict(right=True, rehashed=_hasher.hash(typed) if is_outdated(stored) else None)


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(stored)
