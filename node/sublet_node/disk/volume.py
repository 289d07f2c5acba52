"""Where an allocation stores what it stores, beside each other, so that one limit is for all of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .. import paths

LIMITED = paths.HOMES / ".sublet"
"""Beside the homes, so that what a login stores outside of its home counts with it."""


@dataclass(frozen=True)
class Volume:
    """The home of a login, and the folder for its own /tmp and /var/tmp. Both exist only where disk is limited.

    `is_held` when somebody is known to hold something of the login.
    """

    uid: int
    home: Path
    beside: Path
    is_held: bool = False

    @property
    def places(self) -> tuple[Path, Path]:
        """Its own /tmp and /var/tmp."""
        return (self.beside / "tmp", self.beside / "var-tmp")


def volume_of(login: str, uid: int) -> Volume:
    """That of an allocation."""
    return Volume(uid, paths.HOMES / login, LIMITED / login)
