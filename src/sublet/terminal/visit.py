"""Who is at the other end of a terminal's WebSocket, and what for."""

from dataclasses import dataclass

from starlette.websockets import WebSocket

from sublet.core.access import Actor
from sublet.core.db import Database
from sublet.terminal.limits import TerminalLimits


@dataclass(frozen=True, slots=True)
class Visit:
    """An admitted caller and the allocation that is asked for."""

    websocket: WebSocket
    actor: Actor
    allocation_id: str
    limits: TerminalLimits

    @property
    def database(self) -> Database:
        """The application's database."""
        database: Database = self.websocket.app.state.database
        return database
