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
from .kind import Kind
from .simple_quotas import SIMPLE_QUOTAS

_CACHE = paths.RUN / "disk.json"
_LOCK = "disk"


KINDS: dict[str, Kind] = {"btrfs": SIMPLE_QUOTAS}
"""By the name under which the choice is kept, the best first."""


@dataclass(frozen=True)
class Choice:
    """The kind that works here, or "" with the reasons why none does."""

    kind: str
    detail: str


def current() -> Choice:
    """What was found out since the last boot; tried now if nothing was."""
    return _tried(keep=lambda known: True)


def renewed() -> Choice:
    """The same, but what did not work is tried again."""
    return _tried(keep=lambda known: known.kind != "")


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
    reasons = []
    for name, kind in KINDS.items():
        reason = kind.why_not() or trial.fault_of(kind)
        if not reason:
            shown = f"Tried beside the homes: a place for {trial.SIZE >> 20} MiB took no more ({kind.name})."
            return Choice(name, shown)
        reasons.append(f"{kind.name}: {reason}")
    return Choice("", "Nothing limits what a login stores. " + "; ".join(reasons) + ".")
