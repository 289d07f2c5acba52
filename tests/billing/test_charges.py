"""The only functions that round."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from sublet.billing import charges
from sublet.core.db import Database

RATES = st.integers(0, 10**13)
SECONDS = st.integers(0, 10**9)


class TestRounding:
    @given(rate=RATES, seconds=SECONDS)
    def test_is_in_the_customers_favour_and_below_one_micro(self, rate: int, seconds: int) -> None:
        exact = rate * seconds
        charged = charges.charged_micro(rate, seconds) * charges.RATE_SECONDS_PER_MICRO
        assert 0 <= exact - charged < charges.RATE_SECONDS_PER_MICRO

    @given(rate=RATES, cuts=st.lists(SECONDS, min_size=1, max_size=20))
    def test_posting_in_parts_adds_up_to_posting_once(self, rate: int, cuts: list[int]) -> None:
        marks = [0, *sorted(cuts)]
        parts = [charges.charged_between(rate, before, after) for before, after in pairwise(marks)]
        assert sum(parts) == charges.charged_micro(rate, marks[-1])
        assert min(parts) >= 0

    @given(rate=RATES, seconds=SECONDS)
    def test_a_hold_covers_what_it_is_for(self, rate: int, seconds: int) -> None:
        assert charges.micro_to_hold(rate, seconds) >= charges.charged_micro(rate, seconds)

    @given(micro=st.integers(0, 10**15), rate=st.integers(1, 10**13))
    def test_a_runway_is_never_longer_than_the_money(self, micro: int, rate: int) -> None:
        seconds = charges.seconds_covered(micro, rate)
        assert seconds is not None
        assert charges.charged_micro(rate, seconds) <= micro
        assert rate * (seconds + 1) > micro * charges.RATE_SECONDS_PER_MICRO, "and it is not shorter by a second"

    def test_what_is_owed_lasts_no_time(self) -> None:
        assert charges.seconds_covered(-5_000_000, 1) == 0

    def test_nothing_spent_lasts_for_ever(self) -> None:
        assert charges.seconds_covered(5, 0) is None

    @pytest.mark.parametrize(("seconds", "whole"), [(0.0, 0), (0.999999, 0), (1.0, 1), (59.5, 59), (-3.0, 0)])
    def test_only_whole_seconds_count(self, seconds: float, whole: int) -> None:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        assert charges.whole_seconds(start, start + timedelta(seconds=seconds)) == whole


class TestInSql:
    @pytest.mark.anyio
    async def test_the_database_rounds_alike(self, database: Database) -> None:
        cases = [(1, 3_599_999), (1, 3_600_000), (360_000_000, 7), (10**13, 10**9), (333_333_333, 12_345), (0, 5)]
        rate_sql, seconds_sql = "CAST(:rate AS bigint)", "CAST(:seconds AS bigint)"
        charged = charges.charged_micro_sql(rate_sql, seconds_sql)
        statement = text(f"SELECT {charged}, {charges.micro_to_hold_sql(rate_sql, seconds_sql)}")
        async with database.reading() as session:
            for rate, seconds in cases:
                row = (await session.execute(statement, {"rate": rate, "seconds": seconds})).one()
                assert tuple(row) == (charges.charged_micro(rate, seconds), charges.micro_to_hold(rate, seconds))

    @pytest.mark.anyio
    @pytest.mark.parametrize("years", [0, 1, 200])
    async def test_the_database_counts_whole_seconds_alike(self, database: Database, years: int) -> None:
        start = datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=UTC)
        second = start.replace(year=start.year + years) + timedelta(seconds=59)
        asked = charges.whole_seconds_sql("CAST(:start AS timestamptz)", "CAST(:end AS timestamptz)")
        async with database.reading() as session:
            for end in (second - timedelta(microseconds=1), second, second + timedelta(microseconds=999_999)):
                found = (await session.execute(text(f"SELECT {asked}"), {"start": start, "end": end})).scalar_one()
                assert found == charges.whole_seconds(start, end)
            before = (await session.execute(text(f"SELECT {asked}"), {"start": second, "end": start})).scalar_one()
            assert before == 0
