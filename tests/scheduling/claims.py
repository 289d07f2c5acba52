"""SKUs to be claimed, claims of them, and how many more there is room for."""

from sublet.catalog import skus
from sublet.catalog.skus import Sku
from sublet.core.actors import system_actor
from sublet.core.db import Database
from sublet.scheduling import claims
from sublet.scheduling.claims import Claim
from sublet.scheduling.placement import availability
from sublet.scheduling.windows import FROM_NOW_ON, Window


async def make_sku(database: Database, code: str, **shape: object) -> Sku:
    values = {"vcpu": 2, "memory_mib": 4096, "disk_gib": 20, **shape}
    async with database.transaction() as session:
        return await skus.create(session, system_actor("test"), code=code, name=code, **values)  # type: ignore[arg-type]  # a test's shorthand


async def take(database: Database, sku: Sku, subject_id: str, *, during: Window = FROM_NOW_ON) -> Claim:
    async with database.transaction() as session:
        return await claims.claim(session, sku, subject_id, during=during)


async def free_of(database: Database, *shapes: Sku, during: Window = FROM_NOW_ON) -> list[int]:
    async with database.reading() as session:
        found = await availability(session, shapes, during=during)
    return [found[shape.id].available for shape in shapes]
