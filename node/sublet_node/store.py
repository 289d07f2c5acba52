"""What the node remembers of each allocation, and the fence that keeps a late command from changing anything.

One JSON file and one lock file for each allocation. The records of released ones, which are fences and no more, lie
apart: however many have come and gone, what looks at all that is here reads what is here. The lock is flock, so the
kernel gives it back when a process is killed. The highest generation seen is written before anything is done with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from . import commands, files, moment, paths
from .errors import NodeError, bad_request, used_up
from .request import Subject

_LOCK_DEADLINE_SECONDS = 30.0
_KEEP_RELEASED_SECONDS = 30 * 86400.0


@dataclass
class Allocation:
    """The record. `state` is the last state reached; `intent` is what a run, perhaps a dead one, was doing.

    `disconnected` is the latest generation that asked for the end of every connection and got it. `walled` means that
    nobody but the login itself was ever able to put anything into its home or its other places on disk. `link` is the
    number of its link to the node, 0 without one. `bound` is false as long as no account was made for it: what was
    asked for and refused does not say which uid it will have. `ports` are the ports that lead to it,
    `published` whether it ever had any. With `node_network` it is in the node's own network, alone on the node.
    `may_run` is false from when a suspension has ended all that ran of it until it is let in again.
    """

    allocation: str
    login: str
    uid: int
    generation: int
    state: str = "absent"
    intent: str = ""
    home_ready: bool = False
    walled: bool = False
    disconnected: int = 0
    link: int = 0
    bound: bool = True
    gpus: list[str] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    ports: list[dict[str, Any]] = field(default_factory=list)
    published: bool = False
    node_network: bool = False
    may_run: bool = True
    changed_at: str = ""

    @property
    def released(self) -> bool:
        """True when all that is left is this record, kept as a fence."""
        return self.state == "released"

    @property
    def going(self) -> bool:
        """True from the first release on, proven or not: what it held may be another's by now."""
        return self.released or self.intent == "release"

    @property
    def is_in(self) -> bool:
        """Whether something of it may run here, or is about to."""
        return not self.released and ((self.bound and self.may_run) or self.intent == "apply")


def known(kind: Any, data: Any) -> dict[str, Any]:
    """Of a record what this helper knows: a newer one that was here on trial may have written more."""
    if not isinstance(data, dict):
        raise TypeError("it is no object")
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in data.items() if name in names}


class Store:
    """The records in a folder."""

    def __init__(self, records: Path = paths.ALLOCATIONS, locks: Path = paths.LOCKS) -> None:
        self._records = records
        self._ended = records / "ended"
        self._locks = locks

    @contextlib.contextmanager
    def locked(
        self, allocation: str, *, deadline_seconds: float = _LOCK_DEADLINE_SECONDS, shared: bool = False
    ) -> Iterator[None]:
        """Work on one allocation alone; NodeError `busy` when someone else does for too long. `shared`: beside others
        who share it too."""
        self._locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._locks / allocation, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + deadline_seconds
            while True:
                try:
                    fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        message = f"Another command is still working on {allocation}. Try again in a moment."
                        raise NodeError("busy", message, retryable=True) from None
                    time.sleep(0.02)
            with commands.sharing(descriptor):
                yield
        finally:
            os.close(descriptor)

    def accept(self, subject: Subject, generation: Any, *, intent: str) -> Allocation:
        """Raise the fence to `generation` and note the intent, or refuse. Call it with the lock held.

        The intent is `apply` of what is to run, `suspend` of what is not, and `release`.
        """
        if not isinstance(generation, int) or isinstance(generation, bool) or generation < 0:
            raise bad_request("generation must be a whole number, 0 or more")
        known = self.get(subject.allocation)
        if known is None:
            known = Allocation(subject.allocation, subject.login, subject.uid, generation, bound=False)
        self._refuse_if_late(known, subject, generation, intent)
        if known.released and intent != "release":
            known.state = "absent"  # it begins anew: from here on there may be something of it
        known.generation = generation
        known.intent = intent
        if not known.bound:
            known.uid = subject.uid
        self.put(known)
        return known

    def check(self, subject: Subject, generation: Any) -> Allocation:
        """The record, for what changes no state and so raises no fence; a late command is refused all the same."""
        if not isinstance(generation, int) or isinstance(generation, bool) or generation < 0:
            raise bad_request("generation must be a whole number, 0 or more")
        known = self.get(subject.allocation)
        if known is None:
            raise NodeError("not_active", f"{subject.allocation} is not on this node.", retryable=True)
        self._refuse_if_late(known, subject, generation, "apply")
        return known

    def _refuse_if_late(self, known: Allocation, subject: Subject, generation: int, intent: str) -> None:
        if generation < known.generation:
            raise NodeError(
                "stale_generation",
                f"{known.allocation} has seen generation {known.generation}; generation {generation} changes nothing.",
            )
        if known.bound and (known.login, known.uid) != (subject.login, subject.uid):
            raise NodeError(
                "identity_mismatch",
                f"{known.allocation} is login {known.login} with uid {known.uid} on this node, not {subject.login} "
                f"with uid {subject.uid}. Reconcile the two before anything is changed.",
            )
        ended = known.released or known.intent == "release"
        if ended and intent != "release" and generation == known.generation:
            raise NodeError(
                "stale_generation", f"{known.allocation} was released at generation {generation}; apply came too late."
            )

    def get(self, allocation: str) -> Allocation | None:
        """The record, or None when this node never heard of it."""
        here, ended = self._read_if_any(self._records, allocation), self._read_if_any(self._ended, allocation)
        if here is None or ended is None:
            return here or ended
        return here if here.generation > ended.generation else ended  # a run that was cut off left both

    def put(self, record: Allocation) -> None:
        """Write the record, and only then remove it from where it was."""
        record.changed_at = moment.now()
        name = f"{record.allocation}.json"
        to, away = (self._ended, self._records) if record.released else (self._records, self._ended)
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.replace(to / name, json.dumps(asdict(record)).encode(), mode=0o600)
        files.remove(away / name)

    def all(self) -> list[Allocation]:
        """Every record but those of released ones. What cannot be read is an error: it never means "no allocations"."""
        found, damaged = self.readable()
        if damaged:
            raise next(iter(damaged.values()))
        return found

    def readable(self) -> tuple[list[Allocation], dict[str, NodeError]]:
        """The records that can be read, and by allocation what is wrong with the others, without those of released
        ones (but what a helper of an earlier release left); NodeError when the folder cannot be."""
        try:
            names = sorted(os.listdir(self._records))
        except OSError as error:
            raise NodeError(
                "state_unreadable", f"The node's records in {self._records} cannot be read: {error}. Enrol it again."
            ) from error
        found: list[Allocation] = []
        damaged: dict[str, NodeError] = {}
        for name in names:
            if name.endswith(".json") and not name.startswith("."):
                try:
                    found.append(self._read(self._records / name))
                except NodeError as error:
                    if error.code != "state_unreadable":
                        raise  # it has run out of something, which says nothing of the record
                    damaged[name[: -len(".json")]] = error
                except FileNotFoundError:
                    continue  # removed since the listing
        return found, damaged

    def gpus_in_use(self) -> set[str]:
        """The GPUs of allocations that are not being released; none when the records cannot be read."""
        with contextlib.suppress(NodeError):
            return {uuid for record in self.readable()[0] if not record.going for uuid in record.gpus}
        return set()

    def walled_logins(self, subject: Subject) -> set[str]:
        """The other logins that are here and walled off; none when the records cannot be read.

        To know none costs a release time, never evidence, so a damaged record of one does not hold up the others.
        """
        with contextlib.suppress(NodeError):
            return {record.login for record in self.readable()[0] if record.walled and record.login != subject.login}
        return set()

    def uids_of(self, logins: Collection[str], subject: Subject) -> dict[str, int]:
        """Login → uid of those among `logins` that are here, without the subject's own; damaged records left out."""
        here = [record for record in self.readable()[0] if record.login in logins and not record.released]
        return {record.login: record.uid for record in here if record.uid != subject.uid}

    def forget_old(self) -> int:
        """Remove records released long ago; their generations can no longer come back. Returns how many.

        Those of released ones that a helper of an earlier release left among the others are put with their like.
        """
        for record in self.readable()[0]:
            if record.released:
                self.put(record)
        count = 0
        for path in self._ended.glob("*.json"):
            if time.time() - path.stat().st_mtime > _KEEP_RELEASED_SECONDS:
                files.remove(path)
                files.remove(self._locks / path.stem)
                count += 1
        return count

    def _read_if_any(self, folder: Path, allocation: str) -> Allocation | None:
        try:
            return self._read(folder / f"{allocation}.json")
        except FileNotFoundError:
            return None

    def _read(self, path: Path) -> Allocation:
        try:
            return Allocation(**known(Allocation, json.loads(path.read_bytes())))
        except FileNotFoundError:
            raise
        except OSError as error:
            message = f"The record {path} cannot be read ({error}). Restore it, or release the allocation by hand."
            raise used_up(error) or NodeError("state_unreadable", message) from error
        except (ValueError, TypeError) as error:
            message = f"The record {path} is damaged ({error}). Restore it, or release the allocation by hand."
            raise NodeError("state_unreadable", message) from error
