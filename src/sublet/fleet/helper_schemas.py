"""Helpers of nodes as the API shows and takes them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sublet.core.actions import ActionOut
from sublet.fleet.helper_rollouts import Rollout, Upgrade

StandingOut = Literal["current", "too_old", "must_enrol", "other", "unknown"]


class HelperOut(BaseModel):
    """A helper, by its version and the digest of the program; `sha256` is null where a node does not say."""

    version: str | None
    sha256: str | None


class HelperCountOut(BaseModel):
    """How many nodes have a helper, and where it stands beside this release's."""

    helper: HelperOut
    standing: StandingOut
    nodes: int


class UpgradeOut(BaseModel):
    """What became of one node, the first or another; `detail` is why it kept its earlier helper."""

    node_id: str
    node_name: str
    canary: bool
    from_version: str
    outcome: Literal["waiting", "done", "failed", "left"]
    detail: str | None
    ended_at: datetime | None

    @classmethod
    def of(cls, one: Upgrade) -> "UpgradeOut":
        """The upgrade as shown."""
        return cls(
            node_id=one.node_id,
            node_name=one.node_name,
            canary=one.canary,
            from_version=one.from_version,
            outcome=one.outcome,
            detail=one.detail,
            ended_at=one.ended_at,
        )


class RolloutOut(BaseModel):
    """A helper on its way to the fleet: the canary first, the others once it is well."""

    id: str
    helper: HelperOut
    phase: Literal["canary", "rolling", "done", "stopped"]
    reason: str | None
    started_by: str
    started_at: datetime
    ended_at: datetime | None
    canary: UpgradeOut
    failed: list[UpgradeOut]
    waiting: int
    done: int
    left: int
    actions: list[ActionOut]

    @classmethod
    def of(cls, rollout: Rollout, actions: list[ActionOut]) -> "RolloutOut":
        """The rollout as shown."""
        return cls(
            id=rollout.id,
            helper=HelperOut(version=rollout.version, sha256=rollout.sha256),
            phase=rollout.phase,
            reason=rollout.reason,
            started_by=rollout.started_by,
            started_at=rollout.started_at,
            ended_at=rollout.ended_at,
            canary=UpgradeOut.of(rollout.canary),
            failed=[UpgradeOut.of(one) for one in rollout.failed],
            waiting=rollout.counts.get("waiting", 0),
            done=rollout.counts.get("done", 0),
            left=rollout.counts.get("left", 0),
            actions=actions,
        )


class HelperVersionsOut(BaseModel):
    """The helper of this release beside those of the nodes, and the last rollout."""

    ours: HelperOut
    minimum_version: str
    counts: list[HelperCountOut]
    rollout: RolloutOut | None
    actions: list[ActionOut]


class DriftedNodeOut(BaseModel):
    """A node whose helper is another one than this release's, and what to do about it."""

    id: str
    name: str
    state: str
    helper: HelperOut
    standing: StandingOut
    advice: str | None
    actions: list[ActionOut]


class NewRollout(BaseModel):
    """The node on which the helper is tried first, by its id."""

    model_config = ConfigDict(extra="forbid")

    canary: Annotated[str, Field(max_length=100)]


class StoppedRollout(BaseModel):
    """Why a rollout is stopped."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
