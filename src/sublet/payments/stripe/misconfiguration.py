"""A key that the card processor does not accept: found once, told to operators, and noticed when it is mended.

What needed the key is set aside meanwhile, and taken up again by the first look that succeeds.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Gauge

from sublet.core.db import Database
from sublet.core.outbox import publish
from sublet.core.telemetry import get_logger
from sublet.core.work import trouble
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.payments.stripe.errors import ProcessorMisconfigured
from sublet.payments.stripe.events import CardsMisconfigured

log = get_logger(__name__)

CODE = "payments.misconfigured"
SUBJECT = "processor"
STRIPE = "stripe"

misconfigured = Gauge("sublet_processor_misconfigured", "1 while the card processor does not accept our key")


@asynccontextmanager
async def told_of(database: Database) -> AsyncIterator[None]:
    """Around calls to the processor: where it does not accept our key, operators are told, once, and it is raised."""
    try:
        yield
    except ProcessorMisconfigured as error:
        misconfigured.set(1)
        async with database.transaction() as session:
            if not await findings.is_open(session, code=CODE, subject_type=SUBJECT, subject_id=STRIPE):
                log.error("processor.misconfigured", said=error.said)  # noqa: TRY400 - a traceback says no more
                await publish(session, CardsMisconfigured(said=error.said), subject=STRIPE, organization_id=None)
            await findings.open_finding(
                session,
                code=CODE,
                subject_type=SUBJECT,
                subject_id=STRIPE,
                severity=Severity.CRITICAL,
                detail={"said": error.said},
            )
        raise


async def is_mended(database: Database) -> None:
    """A call went well: the finding is closed, and what was set aside for want of a key is done now."""
    misconfigured.set(0)
    async with database.transaction() as session:
        await findings.close_finding(session, code=CODE, subject_type=SUBJECT, subject_id=STRIPE)
        await trouble.retry_all(session, code=ProcessorMisconfigured.code)
