"""The fleet backend that speaks the node protocol over SSH."""

import math
import time
from collections.abc import Sequence
from datetime import datetime

from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.fleet import answers, entry
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
from sublet.fleet.pool import NodePool


class SshBackend:
    """`FleetBackend` over a pool of connections."""

    def __init__(self, pool: NodePool) -> None:
        self.pool = pool

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
        observed = await self.pool.request(
            node_id, "apply", answers.apply_params(account), generation=account.generation
        )
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
        params = {**answers.script_params(script), "script": text}
        observed = await self.pool.request(node_id, "start", params, generation=generation)
        return answers.read(answers.Started, "start", observed).to_run()

    async def started(self, node_id: str, script: Script) -> StartupRun:
        """How it fares, with the end of what it wrote."""
        observed = await self.pool.request(node_id, "started", answers.script_params(script))
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
        observed = await self.pool.request(node_id, "trust", answers.trust_params(trust))
        return answers.read(answers.Trusted, "trust", observed).host_certificate_valid_before

    async def _now(self) -> datetime:
        async with self.database.reading() as session:
            return await database_now(session)
