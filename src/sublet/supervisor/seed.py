"""Fills a demo through the public API with what is not there yet: accounts, SKUs and prices, the node, a top-up."""

import asyncio
import hashlib
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from sublet.core.errors import SubletError
from sublet.fleet.node_helper import NAME as HELPER_NAME
from sublet.fleet.node_helper import node_helper
from sublet.supervisor.files import DemoFiles
from sublet.supervisor.info import DemoAccount, DemoInfo, DemoNode
from sublet.supervisor.local_node import NODE_FAILURES, DemoNodeHost
from sublet.supervisor.progress import Progress
from sublet.supervisor.seed_data import (
    CUSTOMER_EMAIL,
    OPERATOR_EMAIL,
    SECOND_EMAIL,
    Person,
    SeedRefused,
    generate_password,
    pay_by_card,
    seed_catalog,
)
from sublet_sandbox.nodes import Enrolment, LocalNode

NODE_READY_SECONDS = 20.0
NO_NODE = DemoNode("", "none", "", 0, limits_enforced=False, label="no node", problem="It has not been started yet.")
SEED_FAILURES = (SeedRefused, SubletError, httpx.HTTPError, OSError)


def known_accounts(files: DemoFiles, url: str, sandbox_url: str) -> DemoInfo:
    """The demo as described so far. Passwords are written down before the accounts are made, so that none is lost."""
    earlier = DemoInfo.load(files.root)
    info = DemoInfo(
        url=url,
        customer=earlier.customer if earlier else _account(CUSTOMER_EMAIL, files.customer_token),
        operator=earlier.operator if earlier else _account(OPERATOR_EMAIL, files.operator_token),
        second=earlier.second if earlier and earlier.second.email else _second(),
        node=NO_NODE,
        sandbox=sandbox_url,
        data_directory=str(files.root),
        logs=str(files.logs),
    )
    info.save(files.root)
    return info


def _account(email: str, token_file: Path) -> DemoAccount:
    return DemoAccount(email, generate_password(), str(token_file))


def _second() -> DemoAccount:
    """Somebody who only agrees to what others ask for, in a browser."""
    return DemoAccount(SECOND_EMAIL, generate_password(), "")


class Seed:
    """The steps, each safe to repeat. What fails is said and noted in `problems`; the other steps go on."""

    def __init__(self, files: DemoFiles, info: DemoInfo, host: DemoNodeHost, progress: Progress) -> None:
        self.files = files
        self.info = info
        self.host = host
        self.progress = progress
        self.problems: list[str] = []

    async def run(self, node_starting: "asyncio.Future[None]") -> DemoInfo:
        """Do all of them; the node joins as soon as it runs."""
        customer = asyncio.create_task(self._customer())
        try:
            with self.progress.step("setting up accounts and prices"):
                operator = await self._guarded("The demo's operator", asyncio.to_thread(self._sign_in_operator))
            await node_starting
            if operator is not None:
                model = self._gpu_model()
                await self._guarded("The demo's SKUs and prices", asyncio.to_thread(seed_catalog, operator, model))
                if self.host.node is not None:
                    await self._join(operator, self.host.node)
            await customer
        finally:
            customer.cancel()
        self.info = replace(self.info, node=self.host.description)
        self.info.save(self.files.root)
        return self.info

    async def _guarded(self, what: str, work: Any, log: str = "web.log") -> Any:
        try:
            return await work
        except SEED_FAILURES as error:
            reason = error.detail if isinstance(error, SubletError) else str(error) or type(error).__name__
            self.problems.append(
                f"{what} could not be set up: {reason}\n           Log: {self.files.logs / log}. "
                "The rest works; the next `sublet up` tries again."
            )
            self.progress.say(self.problems[-1])
            return None

    def _sign_in_operator(self) -> Person:
        return Person.of_account(self.info.url, self.info.operator.email, self.info.operator)

    async def _customer(self) -> None:
        await self._guarded("The demo's customer", asyncio.to_thread(self._make_customer))

    def _make_customer(self) -> None:
        account = self.info.customer
        customer = Person.of_account(self.info.url, account.email, account, sign_up_as="Demo customer")
        top_ups = customer.get("/top-ups", limit=20)["items"]
        if not any(item["state"] in {"processing", "succeeded"} for item in top_ups):
            pay_by_card(customer)

    def _gpu_model(self) -> str | None:
        node = self.host.node
        return node.gpus[0].model if node is not None and node.gpus else None

    async def _join(self, operator: Person, node: LocalNode) -> None:
        """Let the node join, or find it again where it is now; then wait until it was seen."""
        try:
            with self.progress.step("the node joins"):
                record = await self._record(operator, node)
                state = await self._wait_seen(operator, record["id"])
        except (*NODE_FAILURES, *SEED_FAILURES) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            self.problems.append(
                f"The demo node runs but did not join: {reason}\n           Logs: {self.files.logs / 'web.log'}, "
                f"{self.host.log}. The rest works; the next `sublet up` tries again."
            )
            self.progress.say(self.problems[-1])
            return
        if state not in {"ready", "cordoned"}:
            self.progress.say(
                f"The demo node is {state} and not ready yet; `sublet admin node show {node.name}` says why"
            )

    async def _record(self, operator: Person, node: LocalNode) -> dict[str, Any]:
        """The node's record, after it joined: as `sublet admin node add` and the printed command do it."""
        helper = await asyncio.to_thread(node_helper)
        digest = hashlib.sha256(helper).hexdigest()
        listed = await asyncio.to_thread(operator.get, "/admin/nodes", limit=200)
        place = {"address": node.address, "port": node.port}
        record: dict[str, Any]
        if known := [item for item in listed["items"] if item["name"] == node.name]:
            record = known[0]
            if {key: record[key] for key in place} != place:
                record = await asyncio.to_thread(operator.patch, f"/admin/nodes/{record['id']}", place)
            if record["state"] != "enrolling" and self.host.enrolled_as(digest) == record["id"]:
                return record
            token = (await asyncio.to_thread(operator.post, f"/admin/nodes/{record['id']}/join-token"))["token"]
        else:
            made = await asyncio.to_thread(operator.post, "/admin/nodes", {"name": node.name, **place})
            record, token = made["node"], made["join"]["token"]
        port = int(operator.url.rsplit(":", 1)[1])
        with tempfile.TemporaryDirectory(dir=self.files.cache) as directory:
            file = Path(directory) / HELPER_NAME
            file.write_bytes(helper)
            await node.enrol(Enrolment(helper=file, control_plane_port=port, token=token))
        self.host.note_enrolled(record["id"], digest)
        return record

    async def _wait_seen(self, operator: Person, node_id: str) -> str:
        """The node's state once it is ready, or what it is after a while."""
        deadline = time.monotonic() + NODE_READY_SECONDS
        while True:
            state: str = (await asyncio.to_thread(operator.get, f"/admin/nodes/{node_id}"))["state"]
            if state in {"ready", "cordoned"} or time.monotonic() > deadline:
                return state
            await asyncio.sleep(0.1)
