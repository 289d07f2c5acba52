"""The node's loopback, split by owner: for allocations that have no network of their own.

A connection over it is marked with the uid of who began it, and what another allocation answers is dropped. Ports are
shared all the same, and so are abstract sockets and lists of connections.
"""

from __future__ import annotations

import contextlib

from . import commands
from .errors import NodeError
from .request import FIRST_UID, LAST_UID
from .store import Store

_THEIRS = f'oifname "lo" meta skuid {FIRST_UID}-{LAST_UID}'


def chains() -> str:
    """What the table of nftables has for it, with the allocations that are here."""
    with contextlib.suppress(NodeError):
        uids = [record.uid for record in Store().readable()[0] if record.limits and not record.going]
        return _chains(uids)
    return _chains([])


def _chains(uids: list[int]) -> str:
    marks = f" elements = {{ {', '.join(f'{uid} : {uid}' for uid in uids)} }};" if uids else ""
    pairs = f" elements = {{ {', '.join(f'{uid} . {uid}' for uid in uids)} }};" if uids else ""
    return f"""  map marks {{ type uid : mark;{marks} }}
  set same {{ type mark . uid;{pairs} }}
  chain over_loopback {{
    type filter hook output priority -150; policy accept;
    {_THEIRS} ct direction original ct mark set meta skuid map @marks
    {_THEIRS} ct direction reply ct mark != 0 ct mark . meta skuid != @same drop
  }}
"""


def admit(uid: int) -> None:
    """Mark what it begins, and let its answers reach itself. Where there is no nftables, probe says what is shared."""
    _tell("add", uid)


def dismiss(uid: int) -> None:
    """Forget it."""
    _tell("delete", uid)


def _tell(what: str, uid: int) -> None:
    if commands.installed("nft"):
        pairs = (("marks", f"{uid} : {uid}"), ("same", f"{uid} . {uid}"))
        lines = [f"{what} element inet sublet {name} {{ {pair} }}\n" for name, pair in pairs]
        commands.attempt("nft", "-f", "-", stdin="".join(lines).encode())
