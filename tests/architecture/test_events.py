"""One finds what a domain tells in its events.py."""

import pytest

from tests.architecture.events import events_elsewhere
from tests.architecture.source import broken, planted


class TestEvents:
    def test_are_in_a_file_of_that_name(self) -> None:
        assert broken(events_elsewhere) == []

    @pytest.mark.parametrize(
        "text",
        [
            "from sublet.core.outbox import Event\n\n\nclass MeterRead(Event):\n    pass",
            "from sublet.core import outbox\n\n\nclass MeterRead(outbox.Event):\n    pass",
            "import sublet.core.outbox\n\n\nclass MeterRead(sublet.core.outbox.Event):\n    pass",
            "from sublet.core.outbox import Event as Told\n\n\nclass MeterRead(Told):\n    pass",
            "from sublet.billing.events import WalletLow\n\n\nclass WalletVeryLow(WalletLow):\n    pass",
            "from sublet.billing import events\n\n\nclass WalletVeryLow(events.WalletLow):\n    pass",
            "from sublet.core.outbox import Event\n\n\nclass MeterRead(Event[int]):\n    pass",
            "def late():\n    from sublet.core.outbox import Event\n\n    class MeterRead(Event):\n        pass",
        ],
    )
    def test_elsewhere_are_caught(self, text: str) -> None:
        assert events_elsewhere(planted(text, "billing/meters.py"))
        assert events_elsewhere(planted(text, "billing/events.py")) == []

    def test_that_are_made_of_others_elsewhere_are_caught_too(self) -> None:
        first = "from sublet.billing import events\n\n\nclass Low(events.WalletLow):\n    pass"
        assert len(events_elsewhere(planted(f"{first}\n\n\nclass Lower(Low):\n    pass"))) == 2

    def test_may_be_read_anywhere(self) -> None:
        text = "from sublet.core.outbox import StoredEvent\n\n\nclass Reader(dict[str, StoredEvent]):\n    pass"
        assert events_elsewhere(planted(text)) == []
