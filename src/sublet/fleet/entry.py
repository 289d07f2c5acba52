"""Whether a customer gets in: a login like theirs, through the same sshd, at the address that they are given."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import asyncssh

from sublet.core.actors import system_actor
from sublet.core.db import Database, forbid_open_session
from sublet.fleet import certificates, nodes
from sublet.fleet.backend import Capability, DesiredAccount, Entry
from sublet.fleet.ca import CaKind, CertificateAuthority, public_keys
from sublet.fleet.certificates import Credential
from sublet.fleet.connection import CONNECT_SECONDS, HostTrust, NodeAddress, connect

LOOK_SECONDS = 20.0
MOST_BYTES = 4096

# Run by the account's own shell. The last word says that the shell came to its end.
_LOOK = 'id -u; echo /home/*; if test -e /proc/1; then echo shared; else echo own; fi; true && echo "in"'


@dataclass(frozen=True, slots=True)
class WayIn:
    """How the customer of an account comes in."""

    address: NodeAddress
    login: str
    credential: Credential
    trust: HostTrust


class LookFailed(Exception):
    """sshd let us in, and what came after it did not: the session, the shell or a program ended it."""


def not_its_own(login: str, uid: int, entry: Entry, capabilities: Iterable[Capability]) -> str | None:
    """What a session of the login shows that is not its own, on a node that enforces these; None if it is kept to
    itself."""
    if entry.uid != uid:
        return f"is uid {entry.uid} there and not {uid}"
    if entry.homes != (f"/home/{login}",):
        return f"sees {', '.join(entry.homes) or 'no home'} in /home and not its own home alone"
    if entry.sees_others and any(item.name == "hidepid" and item.enforced for item in capabilities):
        return "sees processes of others"
    return None


async def way_in(database: Database, authority: CertificateAuthority, node_id: str, account: DesiredAccount) -> WayIn:
    """How the account's customer comes in to the node, with a certificate made for this one look; NotFound."""
    signer = await authority.user_signer()
    async with database.transaction() as session:
        node = await nodes.get(session, node_id)
        credential = await certificates.issue_entry(
            session, system_actor(), account.allocation_id, signer=signer, login=account.login
        )
        trust = HostTrust((await public_keys(session, CaKind.HOST)).all)
    address = NodeAddress(node_id, node.name, node.address, node.port, node.host_public_key or "")
    return WayIn(address, account.login, credential, trust)


async def look(way: WayIn, *, timeout_seconds: float = CONNECT_SECONDS) -> Entry:
    """Come in, look around, leave. A NodeError when there is no connection; LookFailed when nothing runs in it."""
    forbid_open_session("node")
    ssh = await connect(
        way.address,
        username=way.login,
        credential=way.credential,
        trust=way.trust,
        timeout_seconds=timeout_seconds,
    )
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            done = await ssh.run(_LOOK, check=False, stdin=asyncssh.DEVNULL)
    except TimeoutError:
        raise LookFailed(f"its shell did not answer within {LOOK_SECONDS:g} s") from None
    except (OSError, asyncssh.Error) as error:
        raise LookFailed(f"the session ended at once ({error})") from None
    finally:
        ssh.abort()
    said = str(done.stdout or "")[:MOST_BYTES].split("\n")
    match said:
        case [uid, homes, processes, "in", *_] if uid.isascii() and uid.isdecimal() and done.exit_status == 0:
            return Entry(int(uid), tuple(homes.split()), processes != "own")
    problem = str(done.stderr or "").strip()[:500] or f"status {done.exit_status}"
    raise LookFailed(f"its shell did not run a command ({problem})")
