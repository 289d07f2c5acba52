"""What came of a piece of work, and when it is looked at again."""

from dataclasses import dataclass

INTERRUPTED = "interrupted"
"""The code of what ends because its workers did, one after the other, while they had it."""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do until somebody makes the row due again."""


@dataclass(frozen=True, slots=True)
class Again:
    """It went well, and is due again after `seconds`; failures are counted from none."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Retry:
    """It failed, and is tried again at the pace of its kind of work; `longest_seconds` replaces the pace's cap.

    `after_seconds` is how long trying is known to be in vain: it is waited for first.
    """

    code: str
    longest_seconds: float | None = None
    after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SetAside:
    """It failed for good: nobody tries it any more until an operator asks for that."""

    code: str


Outcome = Done | Again | Retry | SetAside
