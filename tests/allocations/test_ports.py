"""Published ports: given out of an operator's range, led there by the node, closed, opened, and free again on proof."""

import asyncio
from typing import Any

import pytest
from node.sublet_node import request as of_node
from sqlalchemy.exc import IntegrityError

from sublet.allocations import actions, ports, rows
from sublet.allocations.actions import PortsNotGiven, TooManyPorts
from sublet.allocations.port_states import TRANSITIONS, move
from sublet.allocations.ports import NodePortsTaken, PortPublished, PublishedPort
from sublet.allocations.states import PortState, StateForbids
from sublet.core.errors import NotFound
from tests.allocations.rental import Rental, customer, offer
from tests.support.arrows import Machine

pytestmark = pytest.mark.anyio

PORTS = Machine(
    "published_port",
    """
    opening → open closed refused closing gone
    open    → closed refused closing gone
    closed  → open refused closing gone
    refused → open closed closing gone
    closing → gone
    gone
    """,
    companions="gone_at = CASE WHEN :to = 'gone' THEN now() END, refusal = CASE WHEN :to = 'refused' THEN 'taken' END",
)


@pytest.fixture
async def allocation_id(rental: Rental) -> str:
    """One that is active, on a node with three ports to give."""
    await rental.give_ports(30000, 30002)
    return await rental.running()


async def publish(rental: Rental, allocation_id: str, port: int = 8080, protocol: Any = "tcp") -> PublishedPort:
    async with rental.database.transaction() as session:
        return await ports.publish(session, rental.actor, allocation_id, port=port, protocol=protocol)


async def withdraw(rental: Rental, allocation_id: str, port_id: str) -> PublishedPort:
    async with rental.database.transaction() as session:
        return await ports.withdraw(session, rental.actor, allocation_id, port_id)


async def states(rental: Rental) -> list[str]:
    return await rental.all("SELECT port || ' ' || node_port || ' ' || state FROM published_port ORDER BY seq")


class TestPublishing:
    async def test_is_led_there_by_the_node_and_told(self, rental: Rental, allocation_id: str) -> None:
        made = await publish(rental, allocation_id)
        await publish(rental, allocation_id, 60001, "udp")
        assert (made.node_port, made.state) == (30000, "opening")
        await rental.work(allocation_id)
        assert await states(rental) == ["8080 30000 open", "60001 30000 open"], "each protocol has its own"
        desired = rental.backend.node(rental.node_id).accounts[allocation_id].desired
        assert [(port.protocol, port.port, port.node_port) for port in desired.ports] == [
            ("tcp", 8080, 30000),
            ("udp", 60001, 30000),
        ]
        told = await rental.all(
            "SELECT data ->> 'state' FROM outbox_event WHERE type = 'allocation.port_changed' "
            "AND data ->> 'port' = '8080' ORDER BY id"
        )
        assert told == ["opening", "open"]
        history = "SELECT reason FROM allocation_history WHERE from_state = to_state ORDER BY id LIMIT 1"
        assert await rental.all(history) == ["port 8080/tcp is published by port 30000 of the node"]
        audited = "SELECT after ->> 'node_port' FROM audit_event WHERE action = 'allocation.port_published'"
        assert await rental.all(audited) == ["30000", "30000"]

    async def test_is_closed_by_suspension_and_opened_by_resumption(self, rental: Rental, allocation_id: str) -> None:
        await publish(rental, allocation_id)
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        assert await states(rental) == ["8080 30000 closed"]
        with pytest.raises(StateForbids, match="It is suspended"):
            await publish(rental, allocation_id, 8081)
        await rental.resume(allocation_id)
        await rental.work_until(allocation_id, "active")
        assert await states(rental) == ["8080 30000 open"]

    async def test_is_held_until_the_node_leads_nowhere_and_then_given_last(
        self, rental: Rental, allocation_id: str
    ) -> None:
        made = await publish(rental, allocation_id)
        await rental.work(allocation_id)
        assert (await withdraw(rental, allocation_id, made.id)).state == "closing"
        with pytest.raises(PortPublished, match="or is being withdrawn"):
            await publish(rental, allocation_id)
        with pytest.raises(StateForbids, match="It is being withdrawn"):
            await withdraw(rental, allocation_id, made.id)
        await rental.work(allocation_id)
        assert await states(rental) == ["8080 30000 gone"]
        assert rental.backend.node(rental.node_id).accounts[allocation_id].desired.ports == ()
        with pytest.raises(NotFound):
            await withdraw(rental, allocation_id, made.id)
        assert [(await publish(rental, allocation_id, port)).node_port for port in (1, 2, 3)] == [30001, 30002, 30000]
        with pytest.raises(NodePortsTaken):
            await publish(rental, allocation_id, 4)

    async def test_is_held_while_the_node_cannot_change_where_it_leads(
        self, rental: Rental, allocation_id: str
    ) -> None:
        made = await publish(rental, allocation_id)
        await publish(rental, allocation_id, 8081)
        await rental.work(allocation_id)
        rental.backend.node(rental.node_id).refuses[30001] = "failed"
        await withdraw(rental, allocation_id, made.id)
        await rental.work(allocation_id)
        assert await states(rental) == ["8080 30000 closing", "8081 30001 refused"]
        rental.backend.node(rental.node_id).refuses.clear()
        await rental.run("UPDATE work SET due_at = clock_timestamp()")  # of its own accord, at the next look
        await rental.work(allocation_id)
        assert await states(rental) == ["8080 30000 gone", "8081 30001 open"]

    async def test_has_the_same_number_if_nobody_had_it_lately(self, rental: Rental, allocation_id: str) -> None:
        made = await publish(rental, allocation_id, 30002, "udp")
        assert made.node_port == 30002
        await rental.work(allocation_id)
        await withdraw(rental, allocation_id, made.id)
        await rental.work(allocation_id)
        again = await publish(rental, allocation_id, 30002, "udp")
        assert again.node_port == 30000, "others may still know the port from who had it"
        await rental.work(allocation_id)
        await withdraw(rental, allocation_id, again.id)
        await rental.work(allocation_id)
        await rental.run("UPDATE published_port SET gone_at = gone_at - interval '25 hours'")
        assert (await publish(rental, allocation_id, 30002, "udp")).node_port == 30002

    async def test_published_while_the_node_is_asked_is_applied_next(self, rental: Rental, allocation_id: str) -> None:
        first = await publish(rental, allocation_id)
        asked = 0

        async def meanwhile(verb: str, moment: str) -> None:
            nonlocal asked
            if (verb, moment) == ("apply", "after"):
                asked += 1
                if asked == 1:
                    await publish(rental, allocation_id, 8081)
                    await withdraw(rental, allocation_id, first.id)
                elif asked == 2:
                    seen.extend(await states(rental))

        seen: list[str] = []
        rental.backend.interrupt = meanwhile
        await rental.work(allocation_id)
        assert seen == ["8080 30000 closing", "8081 30001 opening"], "what the first answer said nothing of"
        assert await states(rental) == ["8080 30000 gone", "8081 30001 open"]

    async def test_says_why_the_node_does_not_lead_there(self, rental: Rental, allocation_id: str) -> None:
        node = rental.backend.node(rental.node_id)
        node.refuses[30000] = "taken"
        await publish(rental, allocation_id)
        await rental.work(allocation_id)
        assert await rental.all("SELECT refusal FROM published_port") == ["taken"]
        node.knows_ports = False
        await publish(rental, allocation_id, 8081)
        await rental.work(allocation_id)
        assert await rental.all("SELECT refusal FROM published_port ORDER BY seq") == ["helper", "helper"]
        node.knows_ports, node.refuses = True, {}
        async with rental.database.transaction() as session:
            await rows.freshen(session, allocation_id)
        await rental.work(allocation_id)
        assert await states(rental) == ["8080 30000 open", "8081 30001 open"]

    async def test_two_who_ask_at_once_get_two_ports(self, rental: Rental, allocation_id: str) -> None:
        rental.actor = await customer(rental.database)
        other = await rental.running()
        mine = rental.actor
        owner = await rental.one("SELECT organization_id FROM allocation WHERE id = :id", id=allocation_id)

        async def ask(wanted: str, organization_id: str) -> int:
            async with rental.database.transaction() as session:
                actor = type(mine)("user", user_id=mine.user_id, organization_id=organization_id)
                return (await ports.publish(session, actor, wanted, port=80, protocol="tcp")).node_port

        got = await asyncio.gather(ask(allocation_id, owner.organization_id), ask(other, mine.organization))
        assert sorted(got) == [30000, 30001]


class TestRefusal:
    async def test_has_a_sentence_for_each_cause(self, rental: Rental, allocation_id: str) -> None:
        await rental.give_ports(None, None)
        with pytest.raises(PortsNotGiven, match="The operator gives no ports on its node"):
            await publish(rental, allocation_id)
        await rental.give_ports(30000, 30099, leads=False)
        with pytest.raises(PortsNotGiven, match="they have no network of their own there"):
            await publish(rental, allocation_id)
        await rental.give_ports(30000, 30099)
        for port in range(actions.MOST_PORTS):
            await publish(rental, allocation_id, 1000 + port)
        with pytest.raises(TooManyPorts, match="It has 16 published ports"):
            await publish(rental, allocation_id)

    async def test_comes_when_too_many_were_published_in_a_day(
        self, rental: Rental, allocation_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(actions, "MOST_PORTS_A_DAY", 2)
        for port in (1, 2):
            made = await publish(rental, allocation_id, port)
            await rental.work(allocation_id)
            await withdraw(rental, allocation_id, made.id)
            await rental.work(allocation_id)
        with pytest.raises(TooManyPorts, match="2 ports were published for it in the last day"):
            await publish(rental, allocation_id, 3)

    def test_counts_as_the_node_does(self) -> None:
        assert actions.MOST_PORTS == of_node.MOST_PORTS == 16

    async def test_is_of_whoever_does_not_own_it(self, rental: Rental, allocation_id: str) -> None:
        made = await publish(rental, allocation_id)
        rental.actor = await customer(rental.database)
        with pytest.raises(NotFound):
            await publish(rental, allocation_id, 8081)
        with pytest.raises(NotFound):
            await withdraw(rental, allocation_id, made.id)


class TestRelease:
    async def test_frees_the_ports_on_proof_alone(self, rental: Rental, allocation_id: str) -> None:
        made = await publish(rental, allocation_id)
        node = rental.backend.node(rental.node_id)
        node.dirty.add(allocation_id)
        await rental.release(allocation_id)
        await rental.work_until(allocation_id, "release_failed")
        assert await states(rental) == ["8080 30000 opening"]
        with pytest.raises(StateForbids, match="It is being released"):
            await withdraw(rental, allocation_id, made.id)
        node.dirty.clear()
        await rental.work_until(allocation_id, "released")
        assert await states(rental) == ["8080 30000 gone"]


class TestTheTable:
    def test_says_what_python_says(self) -> None:
        arrows = {(start.value, to.value) for start, targets in TRANSITIONS.items() for to in targets}
        assert arrows == PORTS.arrows
        assert set(TRANSITIONS) == set(PortState)

    async def test_is_every_change_that_postgresql_allows(self, rental: Rental, allocation_id: str) -> None:
        made = await publish(rental, allocation_id)
        async with rental.database.transaction() as session:
            assert await PORTS.allowed_by_postgresql(session, made.id) == PORTS.arrows

    async def test_is_every_change_that_is_made(self, rental: Rental, allocation_id: str) -> None:
        made = await publish(rental, allocation_id)
        async with rental.database.transaction() as session:

            async def attempt(to: str) -> bool:
                refusal = "taken" if to == "refused" else None
                try:
                    await move(
                        session, made.id, PortState(to), organization_id=rental.actor.organization, refusal=refusal
                    )
                except NotFound:
                    return False
                return True

            found = await PORTS.allowed_by(session, made.id, attempt)
            assert {arrow for arrow in found if arrow[0] != arrow[1]} == PORTS.arrows

    @pytest.mark.parametrize(
        "changed",
        [
            {"port": 0},
            {"node_port": 80},
            {"slot": 17},
            {"protocol": "sctp"},
            {"port": 8081, "slot": 2},
            {"port": 8081, "node_port": 30001},
            {"node_port": 30001, "slot": 2},
        ],
        ids=["port", "node port", "slot", "protocol", "the node's port", "one slot", "published once"],
    )
    async def test_refuses_what_cannot_be(self, rental: Rental, allocation_id: str, changed: dict[str, Any]) -> None:
        await publish(rental, allocation_id)
        row = {"port": 8080, "node_port": 30000, "slot": 1, "protocol": "tcp", **changed}
        statement = """
            INSERT INTO published_port (id, allocation_id, node_id, protocol, port, node_port, slot)
            VALUES ('prt_x', :allocation_id, :node_id, :protocol, :port, :node_port, :slot)
            """
        held = {"allocation_id": allocation_id, "node_id": rental.node_id}
        with pytest.raises(IntegrityError):
            await rental.run(statement, **held, **row)
        # One of these alone is amiss: without it the row is taken.
        await rental.run(statement, **held, port=8081, node_port=30001, slot=2, protocol="tcp")


class TestSpeed:
    async def test_is_asked_of_the_node_as_sold_and_nothing_starts_where_it_is_promised_and_not_kept(
        self, rental: Rental
    ) -> None:
        capable = '[{"name": "network_rate", "enforced": true, "detail": "as tried"}]'
        await rental.run("UPDATE node SET capabilities = CAST(:capable AS jsonb)", capable=capable)
        await rental.running()
        rental.sku = await offer(rental.database, "slow", network_mbit=50)
        slow = await rental.launch()
        await rental.work_until(slow, "failed")
        rental.backend.node(rental.node_id).limits_network = True
        kept = await rental.running()
        accounts = rental.backend.node(rental.node_id).accounts
        assert accounts[kept].desired.limits.network_bits_per_second == 50_000_000
        shown = await rental.one("SELECT enforced -> -1 ->> 'limit' AS last FROM allocation WHERE id = :id", id=kept)
        assert shown.last == "network"
