"""What the node forgets of what it stores. Each of its folders goes with what it is about, or is pruned here."""

from __future__ import annotations

from .store import Store


def forget(store: Store) -> int:
    """Prune what is pruned; returns how many records went. Done at each boot, and whenever trust is renewed."""
    return store.forget_old()
