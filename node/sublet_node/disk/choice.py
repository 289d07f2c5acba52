"""Which way of limiting homes works on this node, found out by trying it once after each boot."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass

from .. import HELPER_VERSION, files, moment, paths
from ..store import Store
from . import trial
from .images import IMAGES
from .kind import Kind
from .simple_quotas import SIMPLE_QUOTAS
from .user_quotas import USER_QUOTAS

_CACHE = paths.RUN / "disk.json"
_LOCK = "disk"


KINDS: dict[str, Kind] = {"btrfs": SIMPLE_QUOTAS, "users": USER_QUOTAS, "images": IMAGES}
"""By the name under which the choice is kept, the best first."""


@dataclass(frozen=True)
class Choice:
    """The kind that works here, or "" with the reasons why none does."""

    kind: str
    detail: str


def current() -> Choice:
    """What was found out since the last boot; tried now if nothing was."""
    return _tried(keep=lambda known: known.kind == "" or _may_still_be(known))


def renewed() -> Choice:
    """The same, but what did not work is tried again."""
    return _tried(keep=_may_still_be)


def _may_still_be(known: Choice) -> bool:
    """Whether a kind that worked is still there: quotas can be switched off at any time."""
    kind = KINDS.get(known.kind)
    return kind is not None and kind.why_not() == ""


def _tried(keep: Callable[[Choice], bool]) -> Choice:
    about = [moment.boot_id(), HELPER_VERSION, os.stat(paths.HOMES).st_dev]
    with Store().locked(_LOCK):
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            kept = json.loads(_CACHE.read_bytes())
            known = Choice(**kept["choice"])
            if kept["about"] == about and keep(known):
                return known
        choice = _try_each()
        files.replace(_CACHE, json.dumps({"about": about, "choice": asdict(choice)}).encode(), mode=0o600)
        return choice


def _try_each() -> Choice:
    reasons: list[str] = []
    for name, kind in KINDS.items():
        reason = kind.why_not() or trial.fault_of(kind)
        if not reason:
            shown = f"Tried beside the homes: a place for {trial.SIZE >> 20} MiB took no more ({kind.name})."
            return Choice(name, f"{shown} {_not_used(reasons)}".rstrip())
        reasons.append(f"{kind.name}: {reason}")
    return Choice("", f"Nothing limits what a login stores. {_not_used(reasons)}")


def _not_used(reasons: list[str]) -> str:
    """Why what would be better is not what is used."""
    return f"Not {'; not '.join(reasons)}." if reasons else ""
