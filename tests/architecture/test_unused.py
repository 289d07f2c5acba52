"""Nothing lies about that nobody uses or waits for."""

import pytest

from tests.architecture.source import ROOT, planted, sources
from tests.architecture.unused import FOR_TESTS, unused

CODE = (*sources(), *sources(ROOT / "node"))
USING = planted("from sublet.billing.planted import rate, Meter\n\nrate(Meter().read())", "entry/planted.py")


class TestEveryPublicName:
    def test_is_used_or_says_what_it_waits_for(self) -> None:
        assert unused(CODE, users=sources(ROOT / "sandbox")) == []

    @pytest.mark.parametrize(
        "text",
        [
            "def charge(): ...",
            "async def charge(): ...",
            "class Charge: ...",
            "MICRO = 1_000_000",
            "MICRO: int = 1_000_000",
            "@dataclass\nclass Charge: ...",
            "class Meter:\n    def stop(self): ...",
            "class Meter(Protocol):\n    @property\n    def stopped(self): ...",
        ],
    )
    def test_that_nothing_uses_is_caught(self, text: str) -> None:
        assert unused([planted(f"def rate(x): ...\n\n\n{text}"), USING])

    @pytest.mark.parametrize(
        "text",
        [
            'def charge():\n    """Charge. Waits for invoices."""',
            'MICRO = 1_000_000\n"""Waits for invoices."""',
            "def charge(): ...\n\n\nKINDS = {1: charge}\nKINDS[1]()",
            '@router.post("/charges")\nasync def charge(): ...',
            "class Meter:\n    def read(self): ...",
            "class Rate(click.ParamType):\n    def convert(self): ...\n\n\nRate()",
            "def _charge(): ...",
        ],
    )
    def test_that_something_uses_is_fine(self, text: str) -> None:
        assert unused([planted(f"def rate(x): ...\n\n\n{text}"), USING]) == []

    def test_waits_no_longer_than_until_it_is_used(self) -> None:
        assert unused([planted('def rate(x):\n    """Rate. Waits for invoices."""'), USING])

    def test_is_kept_for_tests_no_longer_than_it_is_there(self) -> None:
        found = " ".join(violation.what for violation in unused(CODE, excused=()))
        assert [name for name in FOR_TESTS if f"nothing uses {name};" not in found] == []
