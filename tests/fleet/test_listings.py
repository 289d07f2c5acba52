"""Listings of what is on a node that cannot be believed end nothing."""

from typing import Any

import pytest

from sublet.core.db import Database, Session
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from tests.fleet.fake_node import SPACE, FakeNode, now
from tests.fleet.seen import Seen, get
from tests.fleet.working import look

pytestmark = pytest.mark.anyio


class TestListingsThatAreNotBelieved:
    @pytest.mark.parametrize(
        "listing",
        [
            {},
            {"boot_id": "boot-1", "time": now(), **SPACE, "unknown": []},
            {"boot_id": "boot-1", "time": now(), **SPACE, "allocations": None, "unknown": []},
            {"boot_id": "boot-1", "time": now(), "allocations": [], "unknown": []},
            {"boot_id": "boot-1", "time": now(), "disk_free_gib": 1, "allocations": [], "unknown": []},
            {"boot_id": "", "time": now(), **SPACE, "allocations": [], "unknown": []},
            {"boot_id": "boot-1", "time": now(), **SPACE, "allocations": [{"allocation": "al_x"}], "unknown": []},
        ],
    )
    async def test_a_part_that_is_missing(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database, listing: dict[str, Any]
    ) -> None:
        node, fake = ready_node
        seen = Seen()
        observer.on_observed.append(seen)
        fake.answers["observe"] = lambda _: listing
        assert not await look(database, observer, node.id)
        assert seen.observations == []
        failure = (await get(database, node.id)).failure
        assert failure is not None
        assert failure.code == "node_answer_invalid"

    async def test_nothing_where_allocations_must_be(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        node, _ = ready_node
        seen = Seen()
        observer.on_observed.append(seen)

        async def two(_session: Session, _node_id: str) -> int:
            return 2

        observer.expected = two
        assert not await look(database, observer, node.id)
        assert seen.observations == []
        failure = (await get(database, node.id)).failure
        assert failure is not None
        assert failure.code == "listing_incomplete"

    @pytest.mark.parametrize(("before", "after"), [(2, 0), (0, 2)], ids=["all-ended", "all-came"])
    async def test_does_not_include_nothing_where_that_changes_while_the_node_is_asked(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database, before: int, after: int
    ) -> None:
        node, fake = ready_node
        seen = Seen()
        observer.on_observed.append(seen)
        there = before

        async def expected(_session: Session, _node_id: str) -> int:
            return there

        def answer(_request: dict[str, Any]) -> dict[str, Any]:
            nonlocal there
            there = after
            return {"boot_id": "boot-1", "time": now(), **SPACE, "allocations": [], "unknown": []}

        observer.expected = expected
        fake.answers["observe"] = answer
        assert await look(database, observer, node.id)
        assert [item.allocations for item in seen.observations] == [()]
