"""Advisory locks: every space of them that there is, and what one is alone in.

Two that count at once would each find room for one more, and two that review at once would tell of it twice. Such a
lock is held until the transaction ends. It comes before every lock on rows but the caller's own; where somebody takes
several, in the order of this list. The ledger's functions lock their idempotency keys by themselves (`ledger/sql`), as
one number, which PostgreSQL keeps apart from these pairs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, unique

from sqlalchemy import Connection, text

from sublet.core.db import Session


@unique
class Space(IntEnum):
    """What one is alone in, and whose: the first half of a lock's key. A number is never given out again."""

    LAUNCHES = 1
    """An organization's launches under way."""
    UPCOMING_SPEND = 2
    """What an organization is about to spend beyond what it does: two launches or resumptions at once would each find
    enough for one. Whoever resumes has locked the one allocation that it resumes."""
    CERTIFICATES = 3
    """An organization's certificates."""
    API_TOKENS = 4
    """An organization's API tokens."""
    SSH_KEYS = 5
    """An organization's SSH keys, of all members together."""
    SAVED_CARDS = 6
    """An organization's cards, and those that are being saved."""
    OPEN_TOP_UPS = 7
    """An organization's open payments."""
    VERIFYING_MAILS = 8
    """The mails that ask a person whether an address is theirs."""
    REMNANTS = 9
    """What an organization's launches left on nodes."""
    TERMINALS = 10
    """An allocation's open terminals."""
    NODE_PORTS = 11
    """The ports that a node gives."""
    NODE_NAMES = 12
    """Names, addresses and host keys of nodes, for a sentence where there would be a broken constraint."""
    FUNDS_CLOCK = 13
    """The review of funds, and what the end of a clock does."""
    SPENDING_LIMITS = 14
    """The review of spending limits."""
    CREDIT_BUDGET = 15
    """What operators give, or take, in a currency without a second person."""
    LAUNCH_STOP = 16
    """What stops an organization's launches."""


ALL = ""
"""For `alone`: there is one of it, whoever asks."""

MIGRATION = 7_351_902
"""The lock of a migration, which lasts for longer than a transaction: one number, that no space has."""

_ALONE = text("SELECT pg_advisory_xact_lock(:space, hashtext(:whose))")
_TAKE = text("SELECT pg_advisory_lock(:lock)")
_GIVE_BACK = text("SELECT pg_advisory_unlock(:lock)")


async def alone(session: Session, space: Space, whose: str) -> None:
    """Be the only one in a space, among those who name the same `whose`, until the session's transaction ends."""
    await session.execute(_ALONE, {"space": space.value, "whose": whose})


@contextmanager
def migrating(connection: Connection) -> Iterator[None]:
    """Be the only one who migrates, waiting for another as long as that takes.

    Whoever fails within rolls back before leaving: in a failed transaction the lock could not be given back.
    """
    connection.execute(_TAKE, {"lock": MIGRATION})
    try:
        yield
    finally:
        connection.execute(_GIVE_BACK, {"lock": MIGRATION})
