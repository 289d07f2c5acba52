"""What each way of limiting a volume consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

from .volume import Volume


@dataclass(frozen=True)
class Kind:
    """One way of limiting what an allocation stores. All of it is safe to repeat from any half-done point.

    `why_not` says why the homes cannot be limited like this, or "" when it is worth a try. `make` makes a volume with
    room for so many bytes, or gives it another limit; what is an ordinary folder already stays one. `limit` is the
    limit in bytes as the kernel has it, and `used` what is stored, both None where it is not limited like this.
    `before_removal` comes before its files are removed, `after_removal` takes away what is there besides, and `left`
    says what still is. `restore` mounts again what a boot has unmounted.
    """

    name: str
    why_not: Callable[[], str]
    make: Callable[[Volume, int], None]
    limit: Callable[[Volume], Optional[int]]
    used: Callable[[Volume], Optional[int]]
    before_removal: Callable[[Volume], None]
    after_removal: Callable[[Volume], None]
    left: Callable[[Volume], "list[str]"]
    restore: Callable[[Volume], None] = lambda volume: None
