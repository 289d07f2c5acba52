"""Who gets a terminal: our own pages, signed in, with the right, on an allocation of theirs that is active."""

from typing import Any

import pytest
from sqlalchemy import text
from websockets.exceptions import InvalidStatus

from sublet.core.actions import Refusal
from sublet.core.db import Database
from sublet.core.errors import Conflict
from sublet.terminal.frames import SUBPROTOCOL
from tests.terminal.conftest import Gateway, Terminal

pytestmark = pytest.mark.anyio


class TestTheHandshake:
    @pytest.mark.parametrize("origin", ["https://evil.test", None, "null", "http://127.0.0.1:1"])
    async def test_refuses_a_foreign_missing_or_null_origin(self, gateway: Gateway, origin: str | None) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with gateway.client(origin=origin):
                pass
        assert refused.value.response.status_code == 403

    @pytest.mark.parametrize(
        "subprotocols", [None, ["sublet.events.v1"], [SUBPROTOCOL, "sublet.events.v1"], ["other", SUBPROTOCOL]]
    )
    async def test_refuses_any_other_or_second_subprotocol(self, gateway: Gateway, subprotocols: Any) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with gateway.client(subprotocols=subprotocols):
                pass
        assert refused.value.response.status_code == 403

    async def test_agrees_on_the_subprotocol(self, gateway: Gateway) -> None:
        async with gateway.client() as socket:
            assert socket.subprotocol == SUBPROTOCOL


class TestTheCaller:
    @pytest.mark.parametrize(("person", "code"), [("nobody", 4401), ("operator", 4403)])
    async def test_must_be_signed_in_and_may_connect(self, gateway: Gateway, person: str, code: int) -> None:
        async with gateway.client(person=person) as socket:
            assert (await Terminal(socket).closed())[0] == code

    @pytest.mark.parametrize(
        ("person", "allocation"), [("stranger", "al_aaaaaaaaaaaaaaaa"), ("customer", "al_cccccccccccccccc")]
    )
    async def test_sees_only_allocations_of_its_own(self, gateway: Gateway, person: str, allocation: str) -> None:
        async with gateway.client(person=person, allocation=allocation) as socket:
            terminal = Terminal(socket)
            await terminal.send(type="open", cols=80, rows=24)
            assert (await terminal.frame("error"))["code"] == "not_found"
            assert (await terminal.closed())[0] == 4404

    @pytest.mark.parametrize("first", ['{"type":"ping"}', "nonsense", '{"type":"open","cols":0,"rows":24}', b"ls\n"])
    async def test_must_open_first(self, gateway: Gateway, first: str | bytes) -> None:
        async with gateway.client() as socket:
            await socket.send(first)
            terminal = Terminal(socket)
            assert (await terminal.frame("error"))["code"] == "bad_frame"
            assert (await terminal.closed())[0] == 1008

    async def test_must_open_soon(self, gateway: Gateway) -> None:
        async with gateway.client() as socket:
            terminal = Terminal(socket)
            assert (await terminal.frame("error"))["code"] == "bad_frame"
            assert (await terminal.closed())[0] == 1008


class TestTheAllocation:
    async def test_must_be_active(self, gateway: Gateway) -> None:
        gateway.closed = Refusal(Conflict, "It is suspended.")
        async with gateway.client() as socket:
            terminal = Terminal(socket)
            await terminal.send(type="open", cols=80, rows=24)
            error = await terminal.frame("error")
            assert (error["code"], "suspended" in error["message"]) == ("allocation_not_active", True)
            assert (await terminal.closed())[0] == 4409

    async def test_has_only_so_many_terminals_and_a_closed_one_makes_room(
        self, gateway: Gateway, database: Database
    ) -> None:
        async with gateway.terminal(), gateway.terminal():
            async with gateway.terminal(), gateway.client() as socket:
                terminal = Terminal(socket)
                await terminal.send(type="open", cols=80, rows=24)
                assert (await terminal.frame("error"))["code"] == "too_many_terminals"
                assert (await terminal.closed())[0] == 4429
            for _ in range(200):
                async with database.reading() as session:
                    count = text("SELECT count(*) FROM terminal_session WHERE ended_at IS NULL")
                    if (await session.execute(count)).scalar_one() == 2:
                        break
            async with gateway.terminal() as another:
                assert another.opened["session"].startswith("ts_")

    async def test_each_terminal_is_in_the_audit_trail(self, gateway: Gateway, database: Database) -> None:
        async with gateway.terminal() as terminal:
            async with database.reading() as session:
                rows = await session.execute(
                    text("SELECT actor_user_id, target_id, after FROM audit_event WHERE action = 'terminal.opened'")
                )
                seen = [(row.actor_user_id, row.target_id, row.after["session"]) for row in rows]
            assert seen == [("usr_customer", "al_aaaaaaaaaaaaaaaa", terminal.opened["session"])]


class TestTheNode:
    async def test_that_does_not_answer_is_said_to(self, gateway: Gateway) -> None:
        gateway.joined.sshd.stop()
        async with gateway.client() as socket:
            terminal = Terminal(socket)
            await terminal.send(type="open", cols=80, rows=24)
            assert (await terminal.frame("error"))["code"] == "node_unreachable"
            assert (await terminal.closed())[0] == 4502

    async def test_that_cannot_prove_itself_gets_nothing(self, gateway: Gateway) -> None:
        sshd = gateway.joined.sshd
        sshd.stop()
        sshd.start(user_authorities=gateway.joined.user_authorities, host_certificate=None)
        async with gateway.client() as socket:
            terminal = Terminal(socket)
            await terminal.send(type="open", cols=80, rows=24)
            assert (await terminal.frame("error"))["code"] == "host_certificate_missing"

    async def test_gets_one_connection_for_each_terminal(self, gateway: Gateway) -> None:
        async with gateway.terminal(), gateway.terminal():
            log = gateway.joined.sshd.log()
        accepted = [line for line in log.splitlines() if line.startswith("Accepted publickey")]
        assert len(accepted) == 2
        assert all("ID terminal user=usr_customer for=al_aaaaaaaaaaaaaaaa" in line for line in accepted)
