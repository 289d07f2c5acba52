"""Tables of states as people write them, and a walk over every pair of states: what is allowed, and what is refused."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.core.db import Session

Arrow = tuple[str, str]


def arrows_in(written: str) -> frozenset[Arrow]:
    """The arrows of lines `from → to to to`; a state from which none leads stands alone."""
    lines = [line.partition("→") for line in written.strip().splitlines()]
    return frozenset((start.strip(), target) for start, _, targets in lines for target in targets.split())


@dataclass(frozen=True)
class Machine:
    """The rows of a table whose column `state` moves only along arrows.

    `companions` are the further assignments that a row in the state :to needs, whatever led there.
    """

    table: str
    written: str
    key: str = "id"
    companions: str = ""

    @property
    def states(self) -> list[str]:
        """Every state, the first one first."""
        return [line.partition("→")[0].strip() for line in self.written.strip().splitlines()]

    @property
    def arrows(self) -> frozenset[Arrow]:
        """Every change that is allowed."""
        return arrows_in(self.written)

    def way_to(self, state: str) -> list[str]:
        """A shortest way from the first state, that one included."""
        ways: dict[str, list[str]] = {self.states[0]: [self.states[0]]}
        ahead = [self.states[0]]
        for at in ahead:
            for start, target in sorted(self.arrows):
                if start == at and target not in ways:
                    ways[target] = [*ways[at], target]
                    ahead.append(target)
        return ways[state]

    async def set_state(self, session: Session, row: str, to: str) -> None:
        """Change the state behind Sublet's back; IntegrityError if PostgreSQL refuses."""
        further = f", {self.companions}" if self.companions else ""
        await session.execute(
            text(f"UPDATE {self.table} SET state = CAST(:to AS text){further} WHERE {self.key} = :row"),
            {"row": row, "to": to},
        )

    async def state_of(self, session: Session, row: str) -> str:
        """The row's state."""
        found = await session.execute(text(f"SELECT state FROM {self.table} WHERE {self.key} = :row"), {"row": row})
        return str(found.scalar_one())

    async def allowed_by_postgresql(self, session: Session, row: str) -> frozenset[Arrow]:
        """Every change to another state that PostgreSQL lets the row make, each tried."""

        async def attempt(to: str) -> bool:
            try:
                async with session.begin_nested():
                    await self.set_state(session, row, to)
            except IntegrityError as error:
                if f"{self.table}_transition" not in str(getattr(error.orig, "diag", error).constraint_name):
                    raise  # it was not the table of arrows that refused
                return False
            return True

        return frozenset(arrow for arrow in await self.allowed_by(session, row, attempt) if arrow[0] != arrow[1])

    async def allowed_by(
        self,
        session: Session,
        row: str,
        attempt: Callable[[str], Awaitable[bool]],
        *,
        among: Sequence[str] | None = None,
    ) -> frozenset[Arrow]:
        """Every pair of states of which `attempt(to)` makes the second out of the first; what is refused stays.

        The second is any state, or one of `among`.
        """
        found = set()
        for start in self.states:
            for to in among or self.states:
                async with _undone(session):
                    for state in self.way_to(start):
                        await self.set_state(session, row, state)
                    moved = await attempt(to)
                    assert await self.state_of(session, row) == (to if moved else start), (start, to)
                    if moved:
                        found.add((start, to))
        return frozenset(found)


@asynccontextmanager
async def _undone(session: Session) -> AsyncIterator[None]:
    """What is done in the block is taken back at its end."""
    savepoint = await session.begin_nested()
    try:
        yield
    finally:
        await savepoint.rollback()
