"""An allocation whose node is lost."""

from sublet.allocations.work import sweep
from tests.allocations.site import Site

CREDIT_MICRO = 500_000
"""5000 seconds at 0.36 an hour."""


async def lost(site: Site, *, ran_for: int = 100) -> str:
    """An allocation whose node does not answer any more, after so many seconds."""
    running = await site.rental.running()
    await site.rental.ran_for(running, ran_for)
    await site.rental.observe()
    site.node.reachable = False
    await site.rental.run("UPDATE node SET state = 'offline', resumes_as = 'ready'")
    async with site.web.database.transaction() as session:
        assert await sweep.mark_lost(session) == [running]
    return running
