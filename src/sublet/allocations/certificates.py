"""SSH certificates for an allocation's login, while it can be used."""

from dataclasses import dataclass, replace

from sublet.allocations.terminal import terminal_target
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.fleet import certificates
from sublet.fleet.ca import UserSigner, known_hosts_line
from sublet.fleet.certificates import IssuedCertificate
from sublet.fleet.terminal_target import TerminalTarget


@dataclass(frozen=True, slots=True)
class Ticket:
    """A certificate, where it is good, and the line by which the node is believed."""

    issued: IssuedCertificate
    target: TerminalTarget
    known_hosts: str


async def issue(
    session: Session,
    actor: Actor,
    allocation_id: str,
    *,
    signer: UserSigner,
    public_key: str,
    seconds: int,
) -> Ticket:
    """Certify the caller's public key for the allocation's login; NotFound, StateForbids unless it is active."""
    target = await terminal_target(session, actor, allocation_id)
    if target.closed is not None:
        advice = "Wait until it is active, or resume it."
        raise replace(target.closed, outcome="No certificate was made.", advice=advice).problem
    issued = await certificates.issue_user(
        session,
        actor,
        allocation_id,
        signer=signer,
        public_key=public_key,
        login=target.login,
        seconds=seconds,
    )
    return Ticket(issued, target, await known_hosts_line(session, target.host, target.port))
