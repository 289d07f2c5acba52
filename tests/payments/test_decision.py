"""When auto top-up charges, how much, and why not: each reason alone keeps it from charging."""

from dataclasses import replace

import pytest

from sublet.payments.auto_top_up.decision import Known, Standing, closing, decide
from tests.ledger.books import usd

LOW = Known(
    enabled=True,
    funds=usd("5.00"),
    threshold=usd("10.00"),
    amount=usd("20.00"),
    monthly_cap=usd("200.00"),
    charged_this_month=usd("0.00"),
    largest=usd("5000.00"),
    declines=2,
    under_way=False,
    has_card=True,
    taken_back=False,
    seconds_since_last=3600.0,
    seconds_until_next_month=1000.0,
)


class TestDeciding:
    def test_charges_when_nothing_speaks_against_it(self) -> None:
        decision = decide(LOW)
        assert (decision.standing, decision.charge, decision.again_seconds) == (Standing.CHARGES, usd("20.00"), None)

    @pytest.mark.parametrize(
        ("change", "standing", "again"),
        [
            ({"enabled": False}, Standing.OFF, None),
            ({"under_way": True}, Standing.UNDER_WAY, None),
            ({"declines": 3}, Standing.STOPPED, None),
            ({"has_card": False}, Standing.NO_CARD, None),
            ({"taken_back": True}, Standing.TAKEN_BACK, None),
            ({"funds": usd("10.00")}, Standing.ENOUGH, None),
            ({"seconds_since_last": 3599.0}, Standing.WAITING, 1.0),
            ({"charged_this_month": usd("180.01")}, Standing.CAP_REACHED, 1000.0),
        ],
    )
    def test_each_reason_alone_keeps_it_from_charging(
        self, change: dict[str, object], standing: Standing, again: float | None
    ) -> None:
        decision = decide(replace(LOW, **change))  # type: ignore[arg-type]  # each of its own type
        assert (decision.standing, decision.charge, decision.again_seconds) == (standing, None, again)

    def test_waits_for_no_month_where_none_ends(self) -> None:
        reached = replace(LOW, charged_this_month=usd("200.00"), seconds_until_next_month=None)
        assert (decide(reached).standing, decide(reached).again_seconds) == (Standing.CAP_REACHED, None)

    def test_the_first_charge_waits_for_nothing(self) -> None:
        assert decide(replace(LOW, seconds_since_last=None)).charge == usd("20.00")

    def test_charges_what_the_cap_still_allows(self) -> None:
        deep = replace(LOW, funds=usd("-35.00"), charged_this_month=usd("150.00"))
        assert decide(deep).charge == usd("40.00")

    def test_charges_no_more_than_any_top_up_may_be(self) -> None:
        deep = replace(LOW, funds=usd("-350.00"), monthly_cap=usd("1000.00"), largest=usd("50.00"))
        assert decide(deep).charge == usd("40.00")


class TestClosing:
    @pytest.mark.parametrize(
        ("funds", "charge"),
        [("9.99", "20.00"), ("-10.00", "20.00"), ("-10.01", "40.00"), ("-35.00", "60.00"), ("9.999999", "20.00")],
    )
    def test_a_gap_takes_the_fewest_amounts_that_reach_the_threshold(self, funds: str, charge: str) -> None:
        assert closing(usd("10.00") - usd(funds), usd("20.00"), most=usd("1000.00")) == usd(charge)
