"""Which helper a node has beside the one that this release brings: too old to work with, another one, or the same."""

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal

from sqlalchemy import func, select, update

from sublet.core.db import Session
from sublet.core.errors import Unavailable
from sublet.fleet.models import node
from sublet.fleet.node_helper import Helper, node_helper
from sublet.fleet.states import IN_FLEET, NodeState

MINIMUM = "0.1.0"
"""Nodes with an older helper take no new work; what runs there goes on, and they are looked at."""
UPGRADES_SINCE = "0.2.0"
"""Older helpers know no way to be upgraded over the protocol: such nodes are enrolled again."""

Standing = Literal["current", "too_old", "must_enrol", "other", "unknown"]
"""Where a node's helper stands: the one of this release, too old to take work, to be replaced by enrolling again, to be
upgraded, or not known because the node was never probed."""

_VERSION = re.compile(rb'^HELPER_VERSION = "([0-9]+(?:\.[0-9]+)*)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Drifted:
    """A node whose helper is another one than ours."""

    id: str
    name: str
    state: NodeState
    verified_at: datetime | None
    helper_version: str | None
    helper_sha256: str | None


@cache
def ours() -> Helper:
    """The helper of this release; Unavailable when this installation has none."""
    content = node_helper()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = _VERSION.search(archive.read("sublet_node/__init__.py"))
    if found is None:
        raise Unavailable(
            "The node's helper of this installation says no version. Install Sublet from a complete package."
        )
    return Helper(found[1].decode(), hashlib.sha256(content).hexdigest(), content)


def is_older(version: str, than: str) -> bool:
    """Whether a version comes before another; one that cannot be read comes before all."""
    return _numbers(version) < _numbers(than)


def standing_of(version: str | None, sha256: str | None) -> Standing:
    """Where a node's helper stands beside ours."""
    if version is None:
        return "unknown"
    if is_older(version, MINIMUM):
        return "too_old"
    if is_older(version, UPGRADES_SINCE):
        return "must_enrol"
    return "current" if sha256 == ours().sha256 else "other"


def advice_of(standing: Standing, name: str) -> str | None:
    """What to do about a node's helper, in a sentence; None where nothing is to be done."""
    again = f"Make a join token (`sublet admin node join-token {name}`) and run its command on {name}."
    match standing:
        case "too_old":
            return f"It takes no new work: its helper is older than {MINIMUM}, which this release needs. {again}"
        case "must_enrol":
            return f"Its helper cannot be upgraded over SSH yet. {again}"
        case "other":
            return f"Upgrade the helpers (`sublet admin node upgrade --canary {name}` tries it on {name} first)."
        case "unknown":
            return "Nothing is known of its helper until it has joined and was probed."
    return None


async def judge(session: Session) -> int:
    """Decide anew for every node whether its helper is too old, as another release may; returns how many changed."""
    versions = select(node.c.helper_version).where(node.c.helper_version.is_not(None)).distinct()
    changed = 0
    for version in (await session.execute(versions)).scalars().all():
        too_old = is_older(version, MINIMUM)
        wrong = node.c.helper_version == version, node.c.helper_too_old.is_not(too_old)
        changed += (await session.execute(update(node).where(IN_FLEET, *wrong).values(helper_too_old=too_old))).rowcount
    return changed


async def drifted(session: Session, *, limit: int, after_name: str | None) -> list[Drifted]:
    """Nodes whose helper is another one than ours, by name; one more than `limit` if there are more. Not those that
    are gone for good: nobody needs to see to their helper."""
    columns = (node.c.id, node.c.name, node.c.state, node.c.verified_at, node.c.helper_version, node.c.helper_sha256)
    others = select(*columns).where(IN_FLEET, node.c.helper_sha256.is_distinct_from(ours().sha256))
    if after_name is not None:
        others = others.where(node.c.name > after_name)
    found = await session.execute(others.order_by(node.c.name).limit(limit + 1))
    return [Drifted(id_, name, NodeState(state), *rest) for id_, name, state, *rest in found]


async def counts(session: Session) -> list[tuple[str | None, str | None, int]]:
    """How many nodes have each helper: its version, its digest, and the number; those that are gone for good apart."""
    columns = (node.c.helper_version, node.c.helper_sha256)
    counted = select(*columns, func.count()).where(IN_FLEET).group_by(*columns)
    rows = await session.execute(counted.order_by(func.count().desc()))
    return [(row[0], row[1], row[2]) for row in rows]


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
