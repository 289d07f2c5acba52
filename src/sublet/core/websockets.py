"""How every WebSocket is let in: origin, subprotocol, actor and permission, before the handshake is accepted."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from sublet.core import telemetry
from sublet.core.actors import Actor, Permission
from sublet.core.app import ALIVE, AUTHENTICATOR, DATABASE, SETTINGS, STOPPING, Alive, Authenticator
from sublet.core.db import Database
from sublet.core.errors import SubletError
from sublet.core.settings import Settings

log = telemetry.get_logger(__name__)

UNAUTHENTICATED = 4401
FORBIDDEN = 4403
TOO_SLOW = 4408
WINDOW_PASSED = 4410
TOO_MANY = 4429
GOING_AWAY = 1001
CLOSE_SECONDS = 2.0
"""How long a client that does not read may keep us from closing; then the connection just ends."""


async def refuse(websocket: WebSocket, reason: str) -> None:
    """Answer the handshake with 403: the socket never opens."""
    log.info("websocket.refused", path=websocket.url.path, reason=reason)
    await websocket.close(code=FORBIDDEN, reason=reason)


@dataclass(frozen=True, slots=True)
class Door:
    """What every WebSocket route needs: who may come in, whether they may stay, and whether we go away."""

    settings: Settings
    database: Database
    authenticator: Authenticator
    alive: Alive
    stopping: asyncio.Event

    async def admit(self, websocket: WebSocket, *, subprotocol: str, permission: Permission) -> Actor | None:
        """Let the caller in and return who it is, or answer the refusal and return None.

        A browser always names its origin, and it must be one of ours: foreign, missing and `null` are refused. A
        program that sends an API token carries no ambient credential, so it needs no origin; one that it sends must
        still be ours. A caller whose credential does not hold is closed with 4401 (or 4403) after the handshake, so
        that it can read why.
        """
        origin = websocket.headers.get("origin")
        by_token = websocket.headers.get("authorization", "").startswith("Bearer ")
        if origin not in self.settings.origins and not (by_token and origin is None):
            await refuse(websocket, "origin")
            return None
        if subprotocol not in websocket.scope.get("subprotocols", []):
            await refuse(websocket, "subprotocol")
            return None
        try:
            async with self.database.reading() as session:
                actor = await self.authenticator(session, websocket)
        except SubletError:
            actor = None
        await websocket.accept(subprotocol=subprotocol)
        if actor is None:
            await websocket.close(UNAUTHENTICATED, "sign in first")
            return None
        if not actor.can(permission):
            await websocket.close(FORBIDDEN, f"needs {permission.value}")
            return None
        return actor


async def _door(
    settings: Annotated[Settings, Depends(SETTINGS)],
    database: Annotated[Database, Depends(DATABASE)],
    authenticator: Annotated[Authenticator, Depends(AUTHENTICATOR)],
    alive: Annotated[Alive, Depends(ALIVE)],
    stopping: Annotated[asyncio.Event, Depends(STOPPING)],
) -> Door:
    return Door(settings, database, authenticator, alive, stopping)


DoorDep = Annotated[Door, Depends(_door)]


async def close(websocket: WebSocket, code: int, reason: str) -> None:
    """Close the socket if it is still open; a client that does not read, or has left, is not waited for."""
    if websocket.client_state is WebSocketState.CONNECTED and websocket.application_state is WebSocketState.CONNECTED:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await websocket.close(code, reason)
        except (TimeoutError, WebSocketDisconnect, RuntimeError) as error:
            log.info("websocket.not_told", code=code, error=type(error).__name__)
