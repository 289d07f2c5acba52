"""SSH certificates for an allocation's login, while it can be used."""

from dataclasses import dataclass, replace

from sublet.allocations.terminal import terminal_target
from sublet.core.actions import Refusal
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.locks import Space, alone
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


class TooManyCertificates(Conflict):
    """For one allocation there are at most so many certificates that can be used."""

    code = "too_many_certificates"
    title = "Too many certificates can still be used"


def why_not_certify(live: int, *, most: int) -> Refusal | None:
    """Why an allocation for which so many certificates can be used gets no further one."""
    if live < most:
        return None
    return Refusal(
        TooManyCertificates,
        f"{live} certificates for this allocation can still be used, and {most} are the most.",
        "Use one that you have until it ends, an hour after it was made at most.",
        outcome="No certificate was made.",
    )


async def issue(
    session: Session,
    actor: Actor,
    allocation_id: str,
    *,
    signer: UserSigner,
    public_key: str,
    seconds: int,
    most: int,
) -> Ticket:
    """Certify the caller's public key for the allocation's login; NotFound, StateForbids unless it is active,
    TooManyCertificates if `most` for it can still be used."""
    target = await terminal_target(session, actor, allocation_id)
    if target.closed is not None:
        advice = "Wait until it is active, or resume it."
        raise replace(target.closed, outcome="No certificate was made.", advice=advice).problem
    await alone(session, Space.CERTIFICATES, actor.organization)
    if refusal := why_not_certify(await certificates.count_live(session, allocation_id), most=most):
        raise refusal.problem
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
