"""Whether a terminal may stay open: the sign-in, the allocation, the time since anything happened."""

import asyncio
import time

from sqlalchemy.exc import SQLAlchemyError

from sublet.core import telemetry, websockets
from sublet.core.errors import NotFound, PermissionDenied
from sublet.fleet.terminal_target import TerminalTarget
from sublet.terminal import close_reasons, sessions
from sublet.terminal.carrier import Carrier
from sublet.terminal.close_reasons import TerminalEnded
from sublet.terminal.frames import Notice
from sublet.terminal.visit import Visit

log = telemetry.get_logger(__name__)


class Watcher:
    """Checks every few seconds whether the terminal may stay open, and ends the terminal when it may not."""

    def __init__(self, visit: Visit, terminal_id: str, target: TerminalTarget, carrier: Carrier) -> None:
        self._visit = visit
        self._terminal_id = terminal_id
        self._target = target
        self._carrier = carrier
        self._policy = visit.policy
        self._told = 0

    async def watch(self) -> None:
        """Never return; raise TerminalEnded, with the reason, when the terminal must close.

        While the database does not answer, its last answer counts for `unknown_seconds`.
        """
        known_at = time.monotonic()
        await self._tell(self._target)
        while True:
            await self._pause()
            if time.monotonic() - self._carrier.active_at > self._policy.idle_seconds:
                raise TerminalEnded(
                    close_reasons.IDLE,
                    "idle",
                    "Nothing was typed or shown for a long time, so this terminal was closed.",
                )
            try:
                async with asyncio.timeout(self._policy.recheck_seconds):
                    await self._tell(await self._recheck())
                known_at = time.monotonic()
            except (SQLAlchemyError, TimeoutError, OSError) as error:
                log.warning("terminal.recheck_failed", error=type(error).__name__)
                if time.monotonic() - known_at > self._policy.unknown_seconds:
                    raise close_reasons.session_ended() from None

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._policy.recheck_seconds):
                await self._visit.door.stopping.wait()
        except TimeoutError:
            return
        raise TerminalEnded(websockets.GOING_AWAY, "going_away", "Sublet is restarting. Open the terminal again.")

    async def _tell(self, target: TerminalTarget) -> None:
        """Say what befell the work behind the terminal, each thing once."""
        for notice in target.notices:
            if notice.number > self._told:
                self._told = notice.number
                await self._visit.websocket.send_text(Notice(code=notice.code, message=notice.text).model_dump_json())

    async def _recheck(self) -> TerminalTarget:
        if not await self._visit.door.alive(self._visit.actor):
            raise close_reasons.session_ended()
        async with self._visit.database.transaction() as session:
            try:
                target = await self._visit.find_target(session, self._visit.actor, self._visit.allocation_id)
            except (NotFound, PermissionDenied):
                raise close_reasons.session_ended() from None
            if target.closed is not None:
                raise close_reasons.not_active(target.closed.reason)
            if (target.node_id, target.login) != (self._target.node_id, self._target.login):
                raise close_reasons.not_active("It was set up anew.")
            if not await sessions.renew(session, self._terminal_id):
                raise close_reasons.session_ended()
        return target
