"""Every kind of notice, and the words of each."""

from collections.abc import Mapping

from sublet.notifications.kinds import Kind
from sublet.notifications.letters import claims, funds, payments, refunds, spending_limits

KINDS: Mapping[str, Kind] = {
    kind.name: kind for kind in (*funds.KINDS, *spending_limits.KINDS, *claims.KINDS, *payments.KINDS, *refunds.KINDS)
}
"""By name, in the order in which preferences show them."""


def by_event() -> Mapping[str, tuple[Kind, ...]]:
    """For each type of event the kinds of notice that it may make."""
    types = {event for kind in KINDS.values() for event in kind.events}
    return {event: tuple(kind for kind in KINDS.values() if event in kind.events) for event in sorted(types)}
