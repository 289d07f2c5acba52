"""WS /allocations/{id}/terminal: let the caller in, open a shell as the allocation's login, carry bytes, end."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated

import asyncssh
from fastapi import Depends, WebSocket
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.websockets import WebSocketDisconnect

from sublet.core import telemetry, websockets
from sublet.core.actors import Permission
from sublet.core.app import Slot
from sublet.core.errors import NotFound, SubletError
from sublet.core.http import SubletRouter
from sublet.core.websockets import DoorDep
from sublet.fleet import certificates, codes, nodes
from sublet.fleet.api import AuthorityDep
from sublet.fleet.ca import CaKind, public_keys
from sublet.fleet.certificates import Credential
from sublet.fleet.connection import HostTrust, NodeAddress, connect
from sublet.fleet.errors import NodeError
from sublet.fleet.terminal_target import TerminalTarget
from sublet.terminal import close_reasons, sessions
from sublet.terminal.carrier import Carrier
from sublet.terminal.close_reasons import TerminalEnded
from sublet.terminal.frames import SUBPROTOCOL, Error, Open, Opened
from sublet.terminal.policy import TerminalPolicy
from sublet.terminal.sessions import TooManyTerminals
from sublet.terminal.visit import FindTarget, Visit
from sublet.terminal.watcher import Watcher

log = telemetry.get_logger(__name__)

router = SubletRouter(prefix="/api/v1/allocations", tags=["allocations"])

TERMINAL_TARGET: Slot[FindTarget] = Slot("where a terminal leads")
TERMINAL_POLICY: Slot[TerminalPolicy] = Slot("policy of terminals")

TERM = "xterm-256color"
WINDOW_BYTES = 256 * 1024
TELL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Admission:
    """All that is needed to connect, gathered in one transaction that has ended."""

    terminal_id: str
    target: TerminalTarget
    address: NodeAddress
    credential: Credential
    trust: HostTrust


@router.api.websocket("/{allocation_id}/terminal")
async def terminal(
    websocket: WebSocket,
    allocation_id: str,
    *,
    door: DoorDep,
    find_target: Annotated[FindTarget, Depends(TERMINAL_TARGET)],
    authority: AuthorityDep,
    policy: Annotated[TerminalPolicy, Depends(TERMINAL_POLICY)],
) -> None:
    """A browser terminal, subprotocol `sublet.terminal.v1`; see /asyncapi.json."""
    if websocket.scope.get("subprotocols") != [SUBPROTOCOL]:
        await websockets.refuse(websocket, "subprotocol")
        return
    actor = await door.admit(websocket, subprotocol=SUBPROTOCOL, permission=Permission.ALLOCATION_CONNECT)
    if actor is None:
        return
    telemetry.open_websockets.labels("terminal").inc()
    try:
        await _serve(Visit(websocket, actor, allocation_id, door, find_target, authority, policy))
    except TerminalEnded as ended:
        await _tell(websocket, ended)
    except (WebSocketDisconnect, RuntimeError) as error:
        log.info("terminal.left", error=type(error).__name__)  # the client is gone; there is nobody to tell
    finally:
        telemetry.open_websockets.labels("terminal").dec()


async def _serve(visit: Visit) -> None:
    opening = await _first_frame(visit)
    admission = await _admit_to_allocation(visit)
    reason = "the browser left"
    try:
        await _run(visit, admission, opening)
    except TerminalEnded as ended:
        reason = ended.error_code or "ended"
        raise
    finally:
        try:
            async with visit.database.transaction() as session:
                await sessions.end(session, admission.terminal_id, reason=reason)
        except SQLAlchemyError as error:
            # Nobody renews the terminal any more, so it stops counting a few seconds from now.
            log.warning("terminal.end_not_noted", error=type(error).__name__)


async def _first_frame(visit: Visit) -> Open:
    try:
        async with asyncio.timeout(visit.policy.first_frame_seconds):
            return Open.model_validate_json(await visit.websocket.receive_text())
    except (TimeoutError, ValidationError, KeyError):
        raise close_reasons.bad_frame('the first frame is {"type":"open","cols":…,"rows":…}') from None


async def _admit_to_allocation(visit: Visit) -> _Admission:
    """Look the allocation up, note the terminal, and make a certificate that is good for one minute."""
    actor, allocation_id = visit.actor, visit.allocation_id
    try:
        signer = await visit.authority.user_signer()
        async with visit.database.transaction() as session:
            target = await visit.find_target(session, actor, allocation_id)
            if target.closed is not None:
                raise close_reasons.not_active(target.closed.reason)
            terminal_id = await sessions.begin(session, actor, allocation_id, login=target.login, policy=visit.policy)
            credential = await certificates.issue_terminal(
                session, actor, allocation_id, signer=signer, login=target.login
            )
            trust = HostTrust((await public_keys(session, CaKind.HOST)).all)
            node = await nodes.get(session, target.node_id)
    except NotFound as error:
        raise TerminalEnded(close_reasons.NOT_FOUND, error.code, error.detail) from None
    except TooManyTerminals as error:
        raise TerminalEnded(close_reasons.TOO_MANY, error.code, error.detail) from None
    except SubletError as error:
        raise TerminalEnded(websockets.FORBIDDEN, error.code, error.detail) from None
    address = NodeAddress(target.node_id, target.node_name, target.host, target.port, node.host_public_key or "")
    return _Admission(terminal_id, target, address, credential, trust)


async def _run(visit: Visit, admission: _Admission, opening: Open) -> None:
    """Run the terminal over an SSH connection of its own.

    The connection is cut before the browser is told why: a browser that does not read must not keep it open.
    """
    try:
        ssh = await connect(
            admission.address,
            username=admission.target.login,
            credential=admission.credential,
            trust=admission.trust,
            timeout_seconds=visit.policy.connect_seconds,
        )
    except NodeError as error:
        known = codes.of(error)
        log.warning("terminal.not_connected", node=admission.address.node_id, code=error.code, detail=error.detail)
        told = f"{known.told} Nothing was started; what runs in the allocation goes on. Open it again in a moment."
        raise TerminalEnded(close_reasons.NODE_FAILED, known.code, told) from None
    try:
        process = await _shell(ssh, admission.target.node_name, opening)
        # Nothing on the node keeps an earlier shell yet, so every terminal begins with a new one.
        await visit.websocket.send_text(Opened(session=admission.terminal_id, resumed=False).model_dump_json())
        carrier = Carrier(visit.websocket, process, visit.policy)
        watcher = Watcher(visit, admission.terminal_id, admission.target, carrier)
        await _until_one_ends(carrier.to_browser(), carrier.from_browser(), watcher.watch())
    finally:
        ssh.abort()


async def _shell(
    ssh: asyncssh.SSHClientConnection, node_name: str, opening: Open
) -> "asyncssh.SSHClientProcess[bytes]":
    try:
        return await ssh.create_process(
            term_type=TERM,
            term_size=(opening.cols, opening.rows),
            env={"LANG": "C.UTF-8"},
            encoding=None,
            window=WINDOW_BYTES,
        )
    except (OSError, asyncssh.Error) as error:
        raise TerminalEnded(
            close_reasons.NODE_FAILED, "shell_refused", f"{node_name} let you in and then gave no shell: {error}."
        ) from None


async def _until_one_ends(*parts: Awaitable[None]) -> None:
    """Run all parts until the first of them ends, cancel the others, and raise what the first one raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    # When several ended at once, a reason that can be told matters more than a browser that left.
    outcomes = [task.exception() for task in done if not task.cancelled()]
    for outcome in sorted((item for item in outcomes if item is not None), key=_importance):
        raise outcome


def _importance(outcome: BaseException) -> int:
    return 0 if isinstance(outcome, TerminalEnded) else 1


async def _tell(websocket: WebSocket, ended: TerminalEnded) -> None:
    """Say why, then close; a browser that does not read is not waited for."""
    try:
        async with asyncio.timeout(TELL_SECONDS):
            if ended.error_code is not None:
                frame = Error(code=ended.error_code, message=ended.message)
                await websocket.send_text(frame.model_dump_json())
            await websockets.close(websocket, ended.close_code, ended.message[:100])
    except (TimeoutError, WebSocketDisconnect, RuntimeError):
        log.info("terminal.not_told", reason=ended.error_code)
