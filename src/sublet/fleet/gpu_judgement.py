"""What is wrong with a GPU, by what its driver says of it and by the errors (XID) that it wrote: pure functions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sublet.fleet.backend import GpuFacts, GpuXid
from sublet.fleet.xids import DO, SOURCE, XIDS, Action, Severity, xid

_TOLD_OF = {
    Severity.QUARANTINE: "Do not trust its results any more. Save your work, release this and launch again: then you "
    "get another GPU, and nobody this one.",
    Severity.LOOK: "Its operator looks at it. If your work fails, release this and launch again.",
    Severity.PROGRAM: "Mostly that is a mistake of the program that ran on it. The GPU goes on; start the program "
    "again.",
}


@dataclass(frozen=True, slots=True)
class GpuFinding:
    """One thing that is wrong with a GPU: `means` says what, as "it …", and `do` what an operator does about it.

    `xid` is the number of an error that was written `count` times, last `at`; anything else is a fact that goes on.
    """

    code: str
    severity: Severity
    means: str
    do: str
    since: datetime
    at: datetime
    count: int = 1
    xid: int | None = None
    said: str = ""

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "means": self.means,
            "do": self.do,
            "since": self.since.isoformat(),
            "at": self.at.isoformat(),
            "count": self.count,
            "xid": self.xid,
            "said": self.said,
        }

    @classmethod
    def read(cls, stored: dict[str, Any]) -> "GpuFinding":
        """From JSON."""
        times = {"since": datetime.fromisoformat(stored["since"]), "at": datetime.fromisoformat(stored["at"])}
        return cls(**{**stored, "severity": Severity(stored["severity"]), **times})

    @property
    def source(self) -> str | None:
        """Where its meaning and what to do are written down; None for what no catalog has."""
        return SOURCE if self.xid in XIDS else None

    def __str__(self) -> str:
        if self.xid is None:
            return f"{self.means}. {self.do}"
        times = "" if self.count == 1 else f", {self.count} times"
        said = f" (the driver: {self.said})" if self.said else ""
        return f"reported Xid {self.xid}{times}, which means that {self.means}{said}. {self.do}"

    @property
    def told(self) -> str:
        """What its customer reads, as the end of a sentence about the GPU."""
        what = self.means if self.xid is None else f"reported Xid {self.xid}, which means that {self.means}"
        return f"{what}. {_TOLD_OF[self.severity]}"


def of_facts(facts: GpuFacts, at: datetime) -> list[GpuFinding]:
    """What is wrong by what the driver says now."""
    return [GpuFinding(code, severity, means, do, at, at) for code, severity, means, do in _judge(facts)]


def of_xids(xids: Sequence[GpuXid]) -> list[GpuFinding]:
    """One for each number among these errors of one GPU, oldest first."""
    found: dict[int, GpuFinding] = {}
    for one in sorted(xids, key=lambda error: error.number):
        known = xid(one.xid)
        earlier = found.get(one.xid)
        since, count = (one.at, 1) if earlier is None else (earlier.since, earlier.count + 1)
        do = DO[known.action]
        found[one.xid] = GpuFinding(
            known.code, known.severity, known.means, do, since, one.at, count, one.xid, one.text[:200]
        )
    return list(found.values())


def _judge(facts: GpuFacts) -> Iterator[tuple[str, Severity, str, str]]:
    if not facts.answers:
        means = "does not answer: it has fallen off the bus, or its driver has lost it"
        yield "gpu_lost", Severity.QUARANTINE, means, DO[Action.RESTART_BM]
        return
    if facts.recovery not in (None, "none"):
        means = f"cannot be used before it is recovered, as its driver says ({facts.recovery})"
        action = Action.RESTART_BM if facts.recovery == "reboot" else Action.RESET_GPU
        yield "needs_reset", Severity.QUARANTINE, means, DO[action]
    if facts.remapping_failed:
        means = "has memory that has to be put out of use and cannot be: it is worn out"
        yield "remapping_failed", Severity.QUARANTINE, means, "Take it out and have it replaced."
    if facts.ecc_uncorrected:
        means = (
            f"has had {facts.ecc_uncorrected} errors of its memory that cannot be corrected, since its driver started"
        )
        yield "ecc_uncorrected", Severity.QUARANTINE, means, DO[Action.RESET_GPU]
    if facts.mig:
        means = "is split into parts (MIG), and is sold whole: programs find no GPU"
        yield (
            "mig_enabled",
            Severity.QUARANTINE,
            means,
            "When nothing runs on it: `nvidia-smi -mig 0 -i` and its place.",
        )
    if facts.remapping_pending or facts.retirement_pending:
        means = "has memory that is put out of use by its next reset"
        yield "reset_pending", Severity.LOOK, means, DO[Action.RESET_GPU]
    if facts.slowed_by:
        means = f"works more slowly than it could ({', '.join(facts.slowed_by)})"
        yield "slowed", Severity.LOOK, means, "Look at the node's fans, air and power supply."
