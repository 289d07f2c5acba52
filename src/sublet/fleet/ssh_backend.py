"""The fleet backend that speaks the node protocol over SSH."""

import math
import time
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.core.together import Together
from sublet.fleet import answers, entry, strain
from sublet.fleet.backend import (
    AppliedState,
    DesiredAccount,
    Entry,
    Observation,
    Probe,
    ReleaseEvidence,
    Script,
    StartupRun,
    Trust,
    Usage,
)
from sublet.fleet.errors import EntryRefused, HostNotVerified, NodeAnswerInvalid, NodeError
from sublet.fleet.krl import RevocationList
from sublet.fleet.node_helper import Helper
from sublet.fleet.params import apply_params, revoke_params, script_params, trust_params, upgrade_params
from sublet.fleet.pool import NodePool
from sublet.fleet.self_tests import Strain


class SshBackend:
    """`FleetBackend` over a pool of connections."""

    def __init__(self, pool: NodePool) -> None:
        self.pool = pool
        self._clock: Together[None, datetime] = Together(self._read_clock)

    @property
    def database(self) -> Database:
        """Whose clock says when something was seen."""
        return self.pool.database

    async def probe(self, node_id: str) -> Probe:
        """The node's inventory and what it enforces."""
        observed = await self.pool.request(node_id, "probe")
        return answers.read(answers.Probed, "probe", observed).to_probe()

    async def apply(self, node_id: str, account: DesiredAccount) -> AppliedState:
        """Make the account exist exactly so; StaleGeneration if a newer generation was seen."""
        asked_at = await self._now()
        observed = await self.pool.request(node_id, "apply", apply_params(account), generation=account.generation)
        answer = answers.read(answers.Applied, "apply", observed)
        if (answer.login, answer.uid, answer.state) != (account.login, account.uid, account.state):
            raise NodeAnswerInvalid(
                f"The node reports {answer.login} (uid {answer.uid}, {answer.state}) after it was asked for "
                f"{account.login} (uid {account.uid}, {account.state}). Nothing was concluded; it is asked again."
            )
        return answer.to_state(asked_at)

    async def enter(self, node_id: str, account: DesiredAccount) -> Entry:
        """Come in as the account's customer does, and look around.

        Where that fails, the node is asked for the cause over the control plane's own connection: when it answers, it
        can be reached, and EntryRefused says what keeps its customers out. When it does not, that is the error.
        """
        way = await entry.way_in(self.database, self.pool.authority, node_id, account)
        began = time.monotonic()
        try:
            return await entry.look(way)
        except HostNotVerified:
            raise
        except (NodeError, entry.LookFailed) as error:
            failed = error.detail if isinstance(error, NodeError) else str(error)
        seconds = 1 + math.ceil(time.monotonic() - began)
        params = {"allocation": account.allocation_id, "login": account.login, "uid": account.uid, "seconds": seconds}
        observed = await self.pool.request(node_id, "explain_entry", params)
        answer = answers.read(answers.Explained, "explain_entry", observed)
        shown = "".join(f" [{line}]" for line in answer.lines)
        raise EntryRefused(
            f"{way.address.name} answers and does not let {account.login} in: {failed} The node's own word is "
            f"{answer.cause}.{shown} {answer.fix}",
            cause=answer.cause,
        )

    async def strain(self, node_id: str, account: DesiredAccount) -> Strain:
        """Come in as the account's customer does, and take more than the account may; EntryRefused if nothing runs."""
        way = await entry.way_in(self.database, self.pool.authority, node_id, account)
        try:
            return await strain.strain(way, memory_mib=account.limits.memory_mib)
        except entry.LookFailed as error:
            said = f"{way.address.name} lets {account.login} in, and it cannot be put under strain: {error}."
            raise EntryRefused(said, cause="not_strained") from None

    async def release(
        self,
        node_id: str,
        *,
        allocation_id: str,
        login: str,
        uid: int,
        generation: int,
        same_organization: Sequence[str],
    ) -> ReleaseEvidence:
        """Remove everything of the allocation and prove it; StaleGeneration if a newer generation was seen."""
        params = {
            "allocation": allocation_id,
            "login": login,
            "uid": uid,
            "same_organization": list(same_organization),
        }
        observed = await self.pool.request(node_id, "release", params, generation=generation)
        return answers.read(answers.Released, "release", observed).to_evidence(await self._now())

    async def start(self, node_id: str, script: Script, text: str, *, generation: int) -> StartupRun:
        """Have the node run the script, if it never did; answers at once. StaleGeneration if a newer one was seen."""
        params = {**script_params(script), "script": text}
        observed = await self.pool.request(node_id, "start", params, generation=generation)
        return answers.read(answers.Started, "start", observed).to_run()

    async def started(self, node_id: str, script: Script) -> StartupRun:
        """How it fares, with the end of what it wrote."""
        observed = await self.pool.request(node_id, "started", script_params(script))
        return answers.read(answers.Started, "started", observed).to_run()

    async def observe(self, node_id: str) -> Observation:
        """All that exists on the node."""
        asked_at = await self._now()
        observed = await self.pool.request(node_id, "observe")
        return answers.read(answers.Observed, "observe", observed).to_observation(node_id, asked_at)

    async def usage(self, node_id: str) -> Sequence[Usage]:
        """What each allocation has used."""
        observed = await self.pool.request(node_id, "usage")
        return answers.read(answers.Used, "usage", observed).to_usage()

    async def trust(self, node_id: str, trust: Trust) -> datetime:
        """Replace what the node trusts; returns when its host certificate now ends."""
        observed = await self.pool.request(node_id, "trust", trust_params(trust))
        return answers.read(answers.Trusted, "trust", observed).host_certificate_valid_before

    async def revoke(self, node_id: str, revoked: RevocationList) -> None:
        """Replace the node's list of revoked certificates, and nothing else; StaleGeneration if it has a newer one."""
        observed = await self.pool.request(node_id, "revoke", revoke_params(revoked))
        version = answers.read(answers.Revoked, "revoke", observed).revoked_keys_version
        if version != revoked.version:
            raise NodeAnswerInvalid(
                f"The node has list {version} of revoked keys after it was given {revoked.version}. It is told again."
            )

    async def upgrade(self, node_id: str, helper: Helper, *, confirm_seconds: int) -> None:
        """Put another helper in place, on trial: the node undoes it unless it is confirmed within so many seconds."""
        params = upgrade_params(helper, confirm_seconds)
        await self._of_helper(node_id, "upgrade", params, helper.sha256)

    async def confirm_upgrade(self, node_id: str, sha256: str) -> None:
        """Keep the helper that is on trial."""
        await self._of_helper(node_id, "confirm_upgrade", {"sha256": sha256}, sha256)

    async def undo_upgrade(self, node_id: str, sha256: str) -> None:
        """Put the earlier helper back, if the one of this digest is on trial."""
        observed = await self.pool.request(node_id, "undo_upgrade", {"sha256": sha256})
        answers.read(answers.HelperInPlace, "undo_upgrade", observed)

    async def _of_helper(self, node_id: str, verb: str, params: dict[str, Any], sha256: str) -> None:
        observed = await self.pool.request(node_id, verb, params)
        found = answers.read(answers.HelperInPlace, verb, observed).helper_sha256
        if found != sha256:
            raise NodeAnswerInvalid(f"The node has the helper {found[:12]} after {verb} of {sha256[:12]}.")

    async def _now(self) -> datetime:
        now = await self._clock.ask(None)
        assert now is not None  # the database always has a time
        return now

    async def _read_clock(self, _asked: Collection[None]) -> dict[None, datetime]:
        async with self.database.reading() as session:
            return {None: await database_now(session)}
