"""How money follows usage: the operator's settings that billing needs."""

from dataclasses import dataclass

from sublet.billing.charges import micro_to_hold
from sublet.core.money import Money, Rate
from sublet.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Policy:
    """Seconds between postings, for noticing and stopping, of grace without funds, and between two observations that
    still prove the time between them; days for which data are kept without funds."""

    data_kept_days: int
    settle_interval_seconds: int = 3600
    detection_seconds: int = 60
    grace_seconds: int = 900
    evidence_gap_seconds: int = 300

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """The policy that the settings describe."""
        return cls(
            settle_interval_seconds=settings.settle_interval_seconds,
            detection_seconds=settings.detection_seconds,
            grace_seconds=settings.funds_grace_seconds,
            evidence_gap_seconds=settings.node_lost_seconds,
            data_kept_days=settings.data_kept_days,
        )

    @property
    def reserve_seconds(self) -> int:
        """What must still be paid for when the clock starts: the grace, and noticing its end."""
        return self.detection_seconds + self.grace_seconds

    @property
    def hold_seconds(self) -> int:
        """How much running time a hold covers."""
        return self.settle_interval_seconds + self.reserve_seconds

    def hold_for(self, rate: Rate) -> Money:
        """What a launch at this rate must set aside."""
        return Money(micro_to_hold(rate.nano_per_hour, self.hold_seconds), rate.currency)
