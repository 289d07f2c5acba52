"""Pokes: a job only says "look at this row". Losing or doubling one is harmless; the sweeper finds what is due."""

from collections.abc import Awaitable, Callable

import procrastinate
from opentelemetry.trace import SpanKind

from sublet.core import tracing
from sublet.core.db import Database, Session

Handler = Callable[[str], Awaitable[None]]

POKE = "sublet.poke"


def job_app(database: Database | None = None) -> procrastinate.App:
    """A procrastinate application with the one task `sublet.poke(kind, row_id)` and no handlers yet.

    Without a database it can only defer on a session's own connection, which is all that `poke` does.
    """
    if database is None:
        return procrastinate.App(connector=procrastinate.PsycopgConnector())
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connector = procrastinate.PsycopgConnector(
        conninfo=url, kwargs={"options": database.options()}, min_size=1, max_size=4
    )
    return procrastinate.App(connector=connector)


def register_poke(app: procrastinate.App, handlers: dict[str, Handler]) -> None:
    """Let the worker's application answer pokes: `kind` names the handler, which gets the row's id."""

    @app.task(name=POKE, queue="pokes")
    async def handle(kind: str, row_id: str, trace: str | None = None) -> None:
        with tracing.span(f"look at {kind}", kind=SpanKind.CONSUMER, parent=trace, attributes={"sublet.row": row_id}):
            await handlers[kind](row_id)


_deferring = job_app()


async def poke(session: Session, kind: str, row_id: str) -> None:
    """Ask a worker to look at a row; the job exists if and only if the session's transaction commits."""
    raw = await session.get_raw_connection()
    # The work goes on in the trace of whoever asked for it.
    await _deferring.configure_task(POKE, queue="pokes", connection=raw.driver_connection).defer_async(
        kind=kind, row_id=row_id, trace=tracing.traceparent()
    )
