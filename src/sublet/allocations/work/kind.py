"""The work on allocations: bring one and its node to what is wanted, and take over from whoever died.

A result is stored only while the lease is ours, and the node refuses whoever comes with an older generation, so that
any number of workers may try at any time.
"""

from sublet.allocations import rows
from sublet.allocations.states import BEING_SET_UP, KEPT, AllocationState
from sublet.allocations.work import removal, setup
from sublet.allocations.work.pace import AllocationPace
from sublet.allocations.work.removal import Removal, RemovalResult
from sublet.allocations.work.setup import Setup, SetupResult
from sublet.core.db import Session
from sublet.core.keyring import Keyring
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done, Outcome
from sublet.fleet.backend import FleetBackend

SLOTS = 1024
"""Waiting for a node costs next to nothing: more than 250 that hang must come together to hold up a launch."""

TENANTS_SLOTS = 3
"""Of a node's four: whatever hangs for one organization, another's launch on the same node has a slot."""

END = End(
    MOST_CRASHES,
    "a launch: goes to another node, three in all, then fails, with its funds free; everything else: never ends, and a "
    "release that is not proven keeps its capacity claimed meanwhile",
    "a launch: goes to another node after five, and fails as `provisioning_interrupted` where there is none; all else "
    "is set aside: capacity stays claimed, what runs goes on and is billed as it is observed",
)
_GOING = frozenset({AllocationState.RELEASING, AllocationState.RELEASE_FAILED, AllocationState.FAILED})

STEPS = (
    Step(
        "begin",
        "notes that something may exist on the node from now on (`on_node`)",
        "the mark, and the operation's attempt",
        "capacity stays claimed until a release is proven",
    ),
    Step(
        "apply",
        "asks the node for the whole desired state, with its generation",
        "account, home, slice, limits, keys on the node",
        "a later apply overwrites it; release removes it; an older generation is refused by the node",
    ),
    Step(
        "verify",
        "comes in as the customer does, at the customer's address, and compares what is found there, and what the node "
        "says its kernel enforces, with what was promised",
        "the limits, as enforced; a certificate of one minute",
        "what is missing is a failed attempt: nothing starts, and nothing is billed",
    ),
    Step(
        "start the meter",
        "begins to bill when the node has answered, or switches the rate",
        "a meter, a segment",
        "time that no observation proves is cut out and never billed",
    ),
    Step(
        "move on",
        "takes the launch to another node when its own does not answer or lacks what was sold, two times at most",
        "a claim on the node that it leaves, which belongs to a row `remnant` from now on",
        "the work on remnants cleans that node and frees the claim",
    ),
    Step(
        "give up",
        "after the last attempt frees the funds, fails the allocation and wants it gone",
        "an ended allocation whose capacity is still claimed",
        "release, which goes on until nothing of it is left",
    ),
    Step(
        "release",
        "looks once more at what ran, asks the node to end and wipe everything, and keeps the evidence",
        "evidence",
        "without proof: settled, `release_failed`, capacity blocked, tried again for ever",
    ),
    Step(
        "settle and free",
        "charges what is proven, gives the rest of the hold back, frees the capacity",
        "ledger entries, an ended claim",
        "none needed: one transaction, and every ledger call has a key of its own",
    ),
)


def work(
    backend: FleetBackend, keyring: Keyring, *, pace: AllocationPace
) -> Work[Setup | Removal, SetupResult | RemovalResult]:
    """The kind of work `allocation`; a row's place is its node, its tenant its organization."""

    async def take(session: Session, lease: Lease) -> Setup | Removal | Outcome:
        allocation = await rows.lock(session, lease.id)
        if allocation.state in BEING_SET_UP and lease.crashes >= pace.provision_crashes:
            return await setup.interrupted(session, allocation)
        if allocation.state in BEING_SET_UP or allocation.state in KEPT:
            return await setup.begin(session, allocation)
        if allocation.state in _GOING and allocation.on_node:
            return await removal.begin(session, allocation)
        if allocation.state is AllocationState.RELEASING:
            return await removal.end_untouched(session, allocation, policy=pace.policy)
        return Done()

    async def act(_lease: Lease, taken: Setup | Removal) -> SetupResult | RemovalResult:
        if isinstance(taken, Setup):
            return await setup.act(backend, keyring, taken)
        return await removal.act(backend, taken)

    async def conclude(
        session: Session, lease: Lease, taken: Setup | Removal, result: SetupResult | RemovalResult
    ) -> Outcome:
        if isinstance(taken, Setup):
            assert isinstance(result, SetupResult)
            return await setup.conclude(session, lease, taken, result, pace)
        assert isinstance(result, RemovalResult)
        return await removal.conclude(session, lease, taken, result, pace)

    return Work(
        kind=rows.WORK,
        take=take,
        act=act,
        conclude=conclude,
        pace=pace.of_work,
        end=END,
        slots=SLOTS,
        slots_each=4,
        slots_tenant=TENANTS_SLOTS,
        steps=STEPS,
    )
