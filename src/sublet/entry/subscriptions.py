"""Event → handlers: every effect that crosses domains upwards or later, in one table. Handlers are idempotent."""

from collections.abc import Mapping
from functools import partial

from sublet.allocations import authorized_keys, drain, funds, given_up, incidents, suspension
from sublet.billing.policy import Policy
from sublet.core.work.delivery import Gatherer, Handlers
from sublet.entry.schedule import review_funds_soon, review_limits_soon
from sublet.identity import email_verification
from sublet.notifications import notices
from sublet.notifications.letters import by_event
from sublet.payments.auto_top_up import work as auto_top_up


def subscriptions(policy: Policy) -> Handlers:
    """Which handlers each type of event has."""
    handlers = _reactions(policy)
    # People are told of what a kind of notice names: `notifications/letters` lists them.
    told = dict.fromkeys(by_event(), (notices.tell,))
    return {name: (*handlers.get(name, ()), *told.get(name, ())) for name in [*handlers, *(told.keys() - handlers)]}


def _reactions(policy: Policy) -> Handlers:
    """What domains do about each other's events."""
    may_run_again = partial(suspension.on_occasion, policy=policy)
    return {
        # Who signed up is asked by mail whether the address is theirs.
        "organization.created": (email_verification.on_organization_created,),
        # Registered keys are placed on nodes for plain ssh; a change reaches running allocations, and ends connections
        # where somebody is locked out.
        "organization.access_changed": (authorized_keys.refresh_keys,),
        # Whoever is locked out loses certificates too, also when they are in no organization (any more).
        "user.disabled": (authorized_keys.revoke_certificates,),
        # The funds review only says what is to be done; each allocation is changed in a transaction of its own.
        "allocation.funds_ran_out": (funds.on_funds_ran_out,),
        "allocation.funds_restored": (may_run_again,),
        "allocation.data_clock_ended": (partial(funds.on_data_clock_ended, policy=policy),),
        "allocation.limit_reached": (funds.on_limit_reached,),
        "allocation.limit_lifted": (may_run_again,),
        # What is raised or cleared lets run again at once.
        "spending_limit.set": (review_limits_soon,),
        # What is wrong with a GPU is told to whoever has it.
        "gpu.erred": (incidents.on_gpu_erred,),
        # A node is emptied: whoever runs there is told, and suspended at the deadline. When the node takes
        # part again, each that waits for it is looked at.
        "node.drain_begun": (drain.on_drain_begun,),
        "node.drain_due": (drain.on_drain_due,),
        "node.state_changed": (drain.on_node_changed,),
        "allocation.drain_due": (drain.on_allocation_drain_due,),
        "allocation.node_open": (may_run_again,),
        "allocation.active": (drain.on_allocation_runs,),
        "allocation.resumed": (drain.on_allocation_runs,),
        # A node will not return: what lived there ends.
        "node.given_up": (given_up.on_node_given_up,),
        "allocation.given_up": (partial(given_up.on_given_up, policy=policy),),
        # Money that came in is looked at at once, so that a suspended allocation does not wait for the next review.
        "top_up.succeeded": (review_funds_soon, auto_top_up.on_top_up_ended),
        # What came of a charge decides whether there is another; so does another card.
        "top_up.failed": (auto_top_up.on_top_up_ended,),
        "card.saved": (auto_top_up.on_cards_changed,),
        "card.made_default": (auto_top_up.on_cards_changed,),
    }


GATHERED: Mapping[str, Gatherer] = {
    # What is spent may bring funds below where they are topped up. A settlement tells of very many wallets at once.
    "wallet.changed": auto_top_up.on_wallets_changed,
}
"""Event → the one handler that takes many of it together."""
