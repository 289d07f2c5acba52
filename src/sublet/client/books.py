"""What an operator asks of the books: months and reports, as JSON or, with the same question, as CSV."""

from collections.abc import Iterator
from typing import cast
from urllib.parse import quote

from sublet.client.shapes.books import (
    DeferredRevenue,
    Month,
    MonthReport,
    RevenueReport,
    Statement,
    TrialBalance,
    UnmeteredReport,
)
from sublet.client.transport import Transport


class Books:
    """`client.admin.books`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def months(self) -> Iterator[Month]:
        """The months of the books, newest first."""
        return self._transport.pages("/admin/months", limit=None)

    def month(self, month: str) -> MonthReport:
        """What a month (`2026-11`) came to."""
        return cast(MonthReport, self._transport.get(f"/admin/months/{quote(month, safe='')}"))

    def close_month(self, month: str) -> Month:
        """End a month for good."""
        return cast(Month, self._transport.post(f"/admin/months/{quote(month, safe='')}/close"))

    def trial_balance(self, *, at: str | None = None) -> TrialBalance:
        """Every account just before a time, or now."""
        return cast(TrialBalance, self._transport.get("/admin/reports/trial-balance", at=at))

    def deferred_revenue(self, *, at: str | None = None) -> DeferredRevenue:
        """What customers had unspent just before a time, or now."""
        return cast(DeferredRevenue, self._transport.get("/admin/reports/deferred-revenue", at=at))

    def revenue(self, first: str, last: str) -> RevenueReport:
        """What usage brought in, by month, SKU, node and kind of meter."""
        return cast(RevenueReport, self._transport.get("/admin/reports/revenue", first=first, last=last))

    def statement(self, organization_id: str, *, currency: str, since: str, until: str | None = None) -> Statement:
        """One customer's accounts at two times, and every line between."""
        asked = {"organization_id": organization_id, "currency": currency, "since": since, "until": until}
        return cast(Statement, self._transport.get("/admin/reports/statement", **asked))

    def unmetered(self, *, since: str, until: str | None = None) -> UnmeteredReport:
        """Time that nobody could prove, by node and customer."""
        return cast(UnmeteredReport, self._transport.get("/admin/reports/unmetered", since=since, until=until))

    def as_csv(self, report: str, **asked: str | None) -> str:
        """A report (`reports/revenue`, `months/2026-11`) as CSV, asked for with the same arguments."""
        return cast(str, self._transport.get(f"/admin/{report}", **asked, format="csv"))
