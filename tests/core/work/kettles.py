"""A toy resource, made with nothing but what any domain uses: a kettle is wanted hot, and a stove heats it."""

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.errors import SubletError
from sublet.core.work import leases
from sublet.core.work.declaration import End, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done, Outcome
from sublet.core.work.pace import Pace

KETTLE = "kettle"
TABLE = """
CREATE TABLE kettle (
  id    text PRIMARY KEY,
  stove text NOT NULL,
  state text NOT NULL DEFAULT 'cold' CHECK (state IN ('cold', 'hot', 'broken')),
  told  integer NOT NULL DEFAULT 0
);
GRANT SELECT, INSERT, UPDATE ON kettle TO sublet_app;
"""
_ADD = text("INSERT INTO kettle (id, stove) VALUES (:id, :stove)")
_MOVE = text("UPDATE kettle SET state = :to, told = told + 1 WHERE id = :id AND state = 'cold' RETURNING id")


class StoveFailed(SubletError):
    """The stove did not heat."""

    code = "stove_failed"


class Stoves:
    """What is out there: heats whatever it is told to, as often as it is told; `broken` stoves fail."""

    def __init__(self) -> None:
        self.heated: list[str] = []
        self.broken: set[str] = set()

    async def heat(self, kettle_id: str, stove: str) -> None:
        if stove in self.broken:
            raise StoveFailed(f"{stove} is broken")
        self.heated.append(kettle_id)


async def want_hot(session: Session, kettle_id: str, stove: str = "north", cook: str = "") -> None:
    await session.execute(_ADD, {"id": kettle_id, "stove": stove})
    await leases.make_due(session, KETTLE, kettle_id, place=stove, tenant=cook)


def work(
    stoves: Stoves,
    *,
    attempts: int = 3,
    crashes: int | None = 100,
    slots: int = 20,
    each: int = 4,
    of_cook: int | None = None,
    longest_seconds: float | None = None,
) -> Work[str, None]:
    async def take(session: Session, lease: Lease) -> str | Outcome:
        statement = text("SELECT stove FROM kettle WHERE id = :id AND state = 'cold' FOR UPDATE")
        stove: str | None = (await session.execute(statement, {"id": lease.id})).scalar_one_or_none()
        return Done() if stove is None else stove

    async def act(lease: Lease, stove: str) -> None:
        await stoves.heat(lease.id, stove)

    async def conclude(session: Session, lease: Lease, _stove: str, _result: None) -> Outcome:
        await session.execute(_MOVE, {"id": lease.id, "to": "hot"})
        return Done()

    async def give_up(session: Session, lease: Lease, _code: str) -> Outcome:
        await session.execute(_MOVE, {"id": lease.id, "to": "broken"})
        return Done()

    pace = Pace(attempts=attempts, shortest_seconds=0.001, longest_seconds=0.002)
    end = End(crashes, "broken", "broken")
    room = {"slots": slots, "slots_each": each, "slots_tenant": of_cook}
    return Work(KETTLE, take, act, conclude, give_up, pace=pace, end=end, longest_seconds=longest_seconds, **room)
