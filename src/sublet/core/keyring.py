"""The keys that data keys are wrapped with: several by id; the current one wraps, and each opens what it wrapped.

A key may live on another machine, so the keyring is asked like any network: never while a database session is open.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sublet.core.db import forbid_open_session
from sublet.core.errors import SubletError


class DecryptionFailed(SubletError):
    """An encrypted value was changed, moved to another row, or encrypted with another key."""

    code = "decryption_failed"


class KeyUnknown(SubletError):
    """An encrypted value names a key that is not in the keyring."""

    code = "encryption_key_unknown"


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key as it is stored: encrypted, with the id of the key that opens it."""

    key_id: str
    data: bytes


class Key(Protocol):
    """One key-encryption key; it never leaves what holds it."""

    @property
    def key_id(self) -> str:
        """Tells the key from all others, for ever: what it wrapped is stored with this id."""
        ...

    async def wrap(self, data_key: bytes) -> bytes:
        """The data key, encrypted."""
        ...

    async def unwrap(self, wrapped: bytes) -> bytes:
        """The data key again; DecryptionFailed if this key did not wrap it."""
        ...


class Keyring:
    """An installation's keys, the current one first.

    They are read when the keyring is made, and again when a value names a key that is not among them: another process
    may have begun to use a new one.
    """

    def __init__(self, read: Callable[[], Sequence[Key]]) -> None:
        self._read = read
        self._keys = tuple(read())

    @property
    def current(self) -> Key:
        """The key that wraps."""
        return self._keys[0]

    async def wrap(self, data_key: bytes) -> Wrapped:
        """The data key, encrypted with the current key. OpenSessionError while a session is open."""
        forbid_open_session("the keyring")
        key = self.current
        return Wrapped(key.key_id, await key.wrap(data_key))

    async def unwrap(self, wrapped: Wrapped) -> bytes:
        """The data key again, whichever key it was wrapped with.

        KeyUnknown if that key is gone, DecryptionFailed if what is stored was changed, OpenSessionError while a session
        is open.
        """
        forbid_open_session("the keyring")
        key = self._find(wrapped.key_id)
        if key is None:
            self._keys = tuple(self._read())
            key = self._find(wrapped.key_id)
        if key is None:
            known = ", ".join(one.key_id for one in self._keys)
            raise KeyUnknown(
                f"What this needs is encrypted with the key {wrapped.key_id}, which this installation does not have "
                f"(it has {known}). Nothing was opened and nothing was changed. The operator must put that key back "
                "into the key file, on a line below the first: without it, nobody can read what was encrypted with it."
            )
        return await key.unwrap(wrapped.data)

    def _find(self, key_id: str) -> Key | None:
        return next((key for key in self._keys if key.key_id == key_id), None)
