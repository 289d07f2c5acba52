"""What is told of each look at a node."""

from sublet.core.db import Database
from sublet.fleet import nodes
from sublet.fleet.backend import Observation
from sublet.fleet.nodes import Node


class Seen:
    """A handler that keeps what it is given."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []

    async def __call__(self, node_id: str, seen: Observation) -> None:
        assert seen.node_id == node_id
        self.observations.append(seen)


async def get(database: Database, node_id: str) -> Node:
    async with database.reading() as session:
        return await nodes.get(session, node_id)
