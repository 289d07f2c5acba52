"""Operators' routes for months of the books, and for reports as JSON and CSV."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query, Response

from sublet.admin.reports import month_close, schemas
from sublet.audit.record import record
from sublet.billing.revenue import revenue
from sublet.billing.unmetered_time import unmetered
from sublet.core.actions import actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import InvalidInput
from sublet.core.filters import Time
from sublet.core.http import CSV_ANSWER, ActorDep, SessionDep, SnapshotDep, SubletRouter, csv_answer
from sublet.core.money import CurrencyCode
from sublet.core.pages import Page
from sublet.ledger import months, reports
from sublet.ledger.months import Month

router = SubletRouter(prefix="/api/v1/admin", tags=["operator"])

MONTH = r"^[0-9]{4}-(0[1-9]|1[0-2])$"
MOST_ROWS = 10_000

Format = Annotated[Literal["json", "csv"], Query(alias="format", description="`csv` has the lines alone.")]

At = Annotated[Time | None, Query(description="Just before then; left out: now.")]
Since = Annotated[Time, Query(description="From then on.")]
Until = Annotated[Time | None, Query(description="Until before then; left out: now.")]
MonthName = Annotated[str, Query(pattern=MONTH, description="Such as 2026-11.")]


async def _month(session: Session, actor: Actor, one: Month, known: list[Month]) -> schemas.MonthOut:
    denied = "Only operators who keep the books may close a month."
    why_not = {"close": await month_close.why_not_close(session, one, known)}
    return schemas.MonthOut.of(one, actions_of(actor, Permission.ADMIN_MONTH_CLOSE, denied, why_not))


@router.get("/months", permission=Permission.ADMIN_REPORT_READ)
async def list_months(actor: ActorDep, session: SessionDep) -> Page[schemas.MonthOut]:
    """The months of the books, newest first, on one page."""
    known = await months.months(session)
    return Page(items=[await _month(session, actor, one, known) for one in known])


@router.get(
    "/months/{month}",
    permission=Permission.ADMIN_REPORT_READ,
    response_model=schemas.MonthReportOut,
    responses=CSV_ANSWER,
)
async def show_month(
    actor: ActorDep, session: SnapshotDep, month: str, as_format: Format = "json"
) -> schemas.MonthReportOut | Response:
    """What a month came to, by account."""
    known = await months.months(session)
    one = await months.month(session, month)
    lines = [schemas.MonthLineOut.of(total) for total in await months.totals(session, one)]
    if as_format == "csv":
        return csv_answer(f"month-{month}", lines)
    return schemas.MonthReportOut(month=await _month(session, actor, one, known), lines=lines)


@router.post("/months/{month}/close", permission=Permission.ADMIN_MONTH_CLOSE)
async def close_month(actor: ActorDep, session: SessionDep, month: str) -> schemas.MonthOut:
    """End a month for good: nothing is posted into it any more, and what corrects it goes into the open one."""
    one = await months.month(session, month)
    refusal = await month_close.why_not_close(session, one, await months.months(session))
    if refusal is not None:
        raise refusal.problem
    await months.close(session, month, by=actor.shown_as)
    await record(session, actor, "month.closed", "month", month)
    known = await months.months(session)
    return await _month(session, actor, await months.month(session, month), known)


@router.get(
    "/reports/trial-balance",
    permission=Permission.ADMIN_REPORT_READ,
    response_model=schemas.TrialBalanceOut,
    responses=CSV_ANSWER,
)
async def trial_balance(
    session: SessionDep, at: At = None, as_format: Format = "json"
) -> schemas.TrialBalanceOut | Response:
    """What every kind of account has, at any time; each currency adds up to zero."""
    moment = at or await database_now(session)
    lines = [schemas.TrialLineOut.of(account) for account in await reports.trial_balance(session, moment)]
    return csv_answer("trial-balance", lines) if as_format == "csv" else schemas.TrialBalanceOut(at=moment, lines=lines)


@router.get(
    "/reports/deferred-revenue",
    permission=Permission.ADMIN_REPORT_READ,
    response_model=schemas.DeferredRevenueOut,
    responses=CSV_ANSWER,
)
async def deferred_revenue(
    session: SessionDep, at: At = None, as_format: Format = "json"
) -> schemas.DeferredRevenueOut | Response:
    """What customers have paid and not used, at any time."""
    moment = at or await database_now(session)
    lines = [schemas.UnspentOut.of(unspent) for unspent in await reports.unspent(session, moment)]
    if as_format == "csv":
        return csv_answer("deferred-revenue", lines)
    return schemas.DeferredRevenueOut(at=moment, lines=lines)


@router.get(
    "/reports/revenue", permission=Permission.ADMIN_REPORT_READ, response_model=schemas.RevenueOut, responses=CSV_ANSWER
)
async def revenue_report(
    session: SessionDep, first: MonthName, last: MonthName, as_format: Format = "json"
) -> schemas.RevenueOut | Response:
    """What usage brought in, by month, SKU, node and kind of meter."""
    since, until = await _span_of_months(session, first, last)
    lines = [schemas.RevenueLineOut.of(one) for one in await revenue(session, since=since, until=until)]
    if as_format == "csv":
        return csv_answer(f"revenue-{first}-{last}", lines)
    return schemas.RevenueOut(first=first, last=last, lines=lines)


async def _span_of_months(session: Session, first: str, last: str) -> tuple[datetime, datetime]:
    since, until = await months.span(session, first, last)
    if since >= until:
        raise InvalidInput("The last month lies before the first. Nothing was read. Change the two.", field="last")
    return since, until


@router.get(
    "/reports/statement",
    permission=Permission.ADMIN_REPORT_READ,
    response_model=schemas.StatementOut,
    responses=CSV_ANSWER,
)
async def statement(
    session: SnapshotDep,
    *,
    organization_id: Annotated[str, Query(max_length=100)],
    currency: Annotated[CurrencyCode, Query()],
    since: Since,
    until: Until = None,
    as_format: Format = "json",
) -> schemas.StatementOut | Response:
    """One customer's accounts at two times, and every line between."""
    end = until or await database_now(session)
    found = await reports.statement(session, organization_id, currency=currency, since=since, until=end)
    if len(found.lines) > reports.MOST_LINES:
        raise InvalidInput(
            f"There are more than {reports.MOST_LINES} lines in that time. Nothing was left out silently: ask for a "
            "shorter one.",
            field="since",
        )
    lines = [schemas.StatementLineOut.of(line) for line in found.lines]
    if as_format == "csv":
        return csv_answer(f"statement-{organization_id}", lines)
    return schemas.StatementOut(
        organization_id=organization_id,
        currency=currency,
        since=since,
        until=end,
        opening=schemas.BalancesOut.of(found.opening),
        closing=schemas.BalancesOut.of(found.closing),
        lines=lines,
    )


@router.get(
    "/reports/unmetered",
    permission=Permission.ADMIN_REPORT_READ,
    response_model=schemas.UnmeteredOut,
    responses=CSV_ANSWER,
)
async def unmetered_time(
    session: SessionDep, since: Since, until: Until = None, as_format: Format = "json"
) -> schemas.UnmeteredOut | Response:
    """Time that nobody could prove and nobody paid for, by node and customer."""
    end = until or await database_now(session)
    found = await unmetered(session, since=since, until=end, limit=MOST_ROWS)
    lines = [schemas.UnmeteredLineOut.of(one) for one in found]
    return (
        csv_answer("unmetered", lines)
        if as_format == "csv"
        else schemas.UnmeteredOut(since=since, until=end, lines=lines)
    )
