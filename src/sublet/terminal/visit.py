"""Who is at the other end of a terminal's WebSocket, and what for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.websockets import WebSocket

from sublet.core.actors import Actor
from sublet.core.db import Database, Session
from sublet.core.websockets import Door
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.terminal_target import TerminalTarget
from sublet.terminal.policy import TerminalPolicy

FindTarget = Callable[[Session, Actor, str], Awaitable[TerminalTarget]]
"""Finds where a terminal to an allocation leads, by the allocation's id; NotFound if the actor has no such allocation.

The domain that owns allocations provides it."""


@dataclass(frozen=True, slots=True)
class Visit:
    """An admitted caller, the allocation that is asked for, and what it takes to open a terminal there."""

    websocket: WebSocket
    actor: Actor
    allocation_id: str
    door: Door
    find_target: FindTarget
    authority: CertificateAuthority
    policy: TerminalPolicy

    @property
    def database(self) -> Database:
        """The application's database."""
        return self.door.database
