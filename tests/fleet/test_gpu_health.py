"""What a look at a node says of its GPUs: judged, told once, and only the GPU that errs is kept from customers."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from node.sublet_node import gpu_facts, kernel_log, paths
from node.sublet_node import gpu_health as node_health
from node.sublet_node.gpus import Gpu as NodesGpu
from sqlalchemy import text

from sublet.core.db import Database
from sublet.fleet import answers, gpu_health, gpu_judgement, gpu_quarantine, nodes
from sublet.fleet.backend import Observation
from sublet.fleet.schemas import GpuOut
from sublet.fleet.xids import DO, XIDS, Severity, xid
from tests.fleet.fake_node import SPACE
from tests.scheduling.fleet_rows import add_node

pytestmark = pytest.mark.anyio

RECORDED = Path(__file__).parents[1] / "node" / "recorded_gpus"
FIRST, SECOND = (f"GPU-5f0c2a51-3f6e-7b15-9f0e-1d0f3c1a0{one}" for one in ("a01", "b02"))
PLACES = {FIRST: "0000:3b:00.0", SECOND: "0000:af:00.0"}
CARDS = [NodesGpu(0, uuid, "NVIDIA L4", 23034, "/dev/nvidia0", place) for uuid, place in PLACES.items()]
Q, L, P = Severity.QUARANTINE, Severity.LOOK, Severity.PROGRAM
Codes = list[tuple[str, Severity]]


def xids_of(*, upto: int = 99999) -> list[dict[str, Any]]:
    """The recorded errors of the driver, as a node reports them."""
    with patch.object(paths, "KERNEL_LOG", RECORDED / "kernel.log"):
        return [one for one in node_health.xids(kernel_log.read(), CARDS) if one["number"] <= upto]


def seen(
    recorded: str | None = "healthy-570",
    *,
    xids: Sequence[dict[str, Any]] = (),
    failure: str | None = None,
    boot_id: str = "boot-1",
    later: float = 0.0,
) -> Observation:
    """A node's answer to `observe`, taken in as from the protocol."""
    cards = None if recorded is None else gpu_facts.read((RECORDED / f"{recorded}.txt").read_text())
    listed = {"boot_id": boot_id, "time": datetime.now(UTC).isoformat(), **SPACE, "allocations": [], "unknown": []}
    listed["gpus"] = {"cards": cards, "failure": failure, "xids": list(xids)}
    at = datetime.now(UTC) + timedelta(seconds=later)
    return answers.read(answers.Observed, "observe", listed).to_observation("nd_1", at)


def judged(recorded: str) -> list[Codes]:
    gpus = seen(recorded).gpus
    assert gpus is not None
    assert gpus.cards is not None
    found = [gpu_judgement.of_facts(card, datetime.now(UTC)) for card in gpus.cards]
    return [[(one.code, one.severity) for one in of_one] for of_one in found]


class TestJudgement:
    @pytest.mark.parametrize(
        ("recorded", "found"),
        [
            ("healthy-570", [[], []]),
            ("ecc-550", [[("ecc_uncorrected", Q), ("reset_pending", L)], []]),
            ("needs-reset-570", [[], [("needs_reset", Q)]]),
            ("requires-reset-535", [[("needs_reset", Q)]]),
            ("mig-550", [[("mig_enabled", Q)]]),
            ("throttled-550", [[("slowed", L)]]),
            ("other-driver-470", [[], [("ecc_uncorrected", Q), ("reset_pending", L)]]),
            ("lost-values-570", [[], [("gpu_lost", Q)]]),
            ("remap-failed-550", [[("remapping_failed", Q)]]),
        ],
    )
    def test_of_what_drivers_say(self, recorded: str, found: list[Codes]) -> None:
        assert judged(recorded) == found

    @pytest.mark.parametrize(
        ("number", "severity"), [(13, P), (31, P), (45, P), (48, Q), (63, L), (79, Q), (94, P), (95, Q), (119, Q)]
    )
    def test_of_the_drivers_errors(self, number: int, severity: Severity) -> None:
        assert (xid(number).severity, xid(number).code) == (severity, f"xid_{number}")

    def test_of_an_error_that_nobody_knows_is_that_somebody_looks(self) -> None:
        assert 999 not in XIDS
        assert xid(999).severity is L

    def test_says_of_each_error_what_to_do(self) -> None:
        assert {one.action for one in XIDS.values()} <= set(DO)
        assert [one.number for one in XIDS.values() if not one.means or one.means[0].isupper()] == []


class House:
    """A node with two GPUs, and what is known of them."""

    def __init__(self, database: Database, node_id: str) -> None:
        self.database, self.node_id = database, node_id

    async def look(self, observation: Observation, *, before: datetime | None = None) -> None:
        async with self.database.transaction() as session:
            await gpu_health.note(session, self.node_id, "north", observation, before=before)

    async def gpus(self) -> list[nodes.Gpu]:
        async with self.database.reading() as session:
            return list((await nodes.get(session, self.node_id)).gpus)

    async def states(self) -> list[str]:
        return [one.state.value for one in await self.gpus()]

    async def codes(self) -> list[list[str]]:
        return [
            [] if one.health is None else [found.code for found in one.health.findings] for one in await self.gpus()
        ]

    async def told(self) -> list[str]:
        async with self.database.reading() as session:
            statement = "SELECT data ->> 'code' FROM outbox_event WHERE type = 'gpu.erred' ORDER BY id"
            return list((await session.execute(text(statement))).scalars())

    async def happened(self) -> list[datetime]:
        async with self.database.reading() as session:
            statement = "SELECT data ->> 'at' FROM outbox_event WHERE type = 'gpu.erred' ORDER BY id"
            return [datetime.fromisoformat(at) for at in (await session.execute(text(statement))).scalars()]

    async def troubles(self) -> list[gpu_health.Trouble]:
        async with self.database.reading() as session:
            return await gpu_health.troubles(session)

    async def clear(self, uuid: str) -> None:
        async with self.database.transaction() as session:
            assert await gpu_quarantine.end_quarantine(session, uuid)


@pytest.fixture
async def house(database: Database) -> House:
    node_id = await add_node(database, "north")
    add = text(
        "INSERT INTO gpu (uuid, node_id, model, memory_mib, state) VALUES (:uuid, :id, 'NVIDIA L4', 1, 'available')"
    )
    async with database.transaction() as session:
        for uuid in (FIRST, SECOND):
            await session.execute(add, {"uuid": uuid, "id": node_id})
    return House(database, node_id)


class TestHealth:
    async def test_of_all_that_are_well_changes_nothing(self, house: House) -> None:
        await house.look(seen())
        assert (await house.states(), await house.told()) == (["available", "available"], [])
        health = GpuOut.of((await house.gpus())[0]).health
        assert health is not None
        assert (health.driver, health.temperature, health.worst, health.findings) == ("570.86.15", 34, None, [])

    async def test_a_gpu_that_errs_is_quarantined_alone_and_told_once(self, house: House) -> None:
        for later in range(3):
            await house.look(seen("lost-values-570", later=later))
        assert await house.states() == ["available", "quarantined"]
        assert await house.told() == ["gpu_lost"]
        quarantine = (await house.gpus())[1].quarantine
        assert quarantine is not None
        assert quarantine.code == "gpu_lost"
        assert "reboot the node" in quarantine.reason

    async def test_one_that_is_not_listed_any_more_does_not_answer(self, house: House) -> None:
        await house.look(seen("mig-550"))
        assert await house.codes() == [["mig_enabled"], ["gpu_lost"]]

    async def test_what_is_over_is_no_longer_shown_and_its_quarantine_stays(self, house: House) -> None:
        await house.look(seen("needs-reset-570"))
        await house.look(seen())
        assert await house.codes() == [[], []]
        assert await house.states() == ["available", "quarantined"]

    async def test_what_goes_on_is_quarantined_again_after_somebody_vouched_for_it(self, house: House) -> None:
        await house.look(seen("needs-reset-570"))
        await house.clear(SECOND)
        await house.look(seen("needs-reset-570"))
        assert await house.states() == ["available", "quarantined"]
        assert await house.told() == ["needs_reset"]

    async def test_an_error_of_the_driver_is_told_once_and_counted(self, house: House) -> None:
        for upto in (1378, 1378, 1379, 99999, 99999):
            await house.look(seen(xids=xids_of(upto=upto)))
        assert sorted(await house.told()) == ["xid_13", "xid_13", *(f"xid_{one}" for one in (154, 31, 48, 79, 94, 999))]
        first, second = await house.gpus()
        assert first.health is not None
        assert {one.xid: one.count for one in first.health.findings} == {13: 2, 31: 1, 999: 1}
        sources = [one.source for one in first.health.findings]
        assert [source is None or "Xid catalog" in source for source in sources] == [True, True, True]
        assert sources[2] is None, "no catalog has 999"
        assert (first.state.value, second.state.value) == ("available", "quarantined")
        assert first.health.worst is L

    async def test_an_error_that_is_new_has_happened_since_the_look_before_whatever_its_time_says(
        self, house: House
    ) -> None:
        """The clock of the kernel's log drifts. Whoever came since the look before is not told when it cannot be."""
        await house.look(seen())
        now = datetime.now(UTC)
        before, right = now - timedelta(seconds=8), now - timedelta(seconds=3)
        slow, fast = now - timedelta(minutes=5), now + timedelta(minutes=5)
        [error] = xids_of(upto=1378)
        for number, at in enumerate((slow, right, fast), 1):
            listed = [{**error, "number": number, "xid": 60 + number, "at": at.isoformat()}]
            await house.look(seen(xids=listed), before=before)
        assert await house.happened() == [before, right, before]

    async def test_an_error_of_before_the_first_look_has_its_own_time(self, house: House) -> None:
        [error] = xids_of(upto=1378)
        before, old = datetime.now(UTC) - timedelta(seconds=8), datetime.now(UTC) - timedelta(days=3)
        await house.look(seen(xids=[{**error, "at": old.isoformat()}]), before=before)
        await house.look(seen(xids=[{**error, "at": old.isoformat()}], boot_id="boot-2"), before=before)
        assert await house.happened() == [old, old]

    async def test_an_error_that_is_over_is_not_quarantined_again(self, house: House) -> None:
        await house.look(seen(xids=xids_of()))
        await house.clear(SECOND)
        await house.look(seen(xids=xids_of()))
        assert await house.states() == ["available", "available"]

    async def test_after_a_boot_the_kernels_log_has_begun_anew(self, house: House) -> None:
        await house.look(seen(xids=xids_of()))
        await house.look(seen(xids=xids_of(upto=1378), boot_id="boot-2"))
        assert (await house.told()).count("xid_13") == 2

    async def test_is_not_known_while_nvidia_smi_says_nothing(self, house: House) -> None:
        await house.look(seen("needs-reset-570"))
        for failure in (None, "NVML: Driver/library version mismatch"):
            await house.look(seen(None, failure=failure))
        assert await house.codes() == [[], ["needs_reset"]]
        [fact, of_node] = await house.troubles()
        assert (fact.subject_id, of_node.subject_id) == (SECOND, "north")
        assert "Driver/library version mismatch" in of_node.problem
        await house.look(seen())
        assert await house.troubles() == []

    async def test_an_error_of_a_gpu_that_is_not_known_is_the_nodes(self, house: House) -> None:
        strange = [{**one, "uuid": None} for one in xids_of() if one["xid"] == 79]
        await house.look(seen(xids=strange))
        [one] = await house.troubles()
        assert (one.subject_type, await house.states()) == ("node", ["available", "available"])
        assert "Xid 79" in one.problem

    async def test_findings_say_which_gpu_what_it_means_and_what_to_do(self, house: House) -> None:
        await house.look(seen(xids=xids_of()))
        assert {one.subject_id for one in await house.troubles()} == {FIRST, SECOND}
        fell = next(one.problem for one in await house.troubles() if "Xid 79" in one.problem)
        for words in ("NVIDIA L4, node north", "fallen off the bus", "reboot the node", "GPU has fallen off the bus."):
            assert words in fell
        assert not [one for one in await house.troubles() if "Xid 13" in one.problem or "Xid 31" in one.problem]
        assert [one for one in await house.troubles() if "Xid 999" in one.problem]

    async def test_of_a_node_whose_helper_says_nothing_stays_unknown(self, house: House) -> None:
        listed = {"boot_id": "b", "time": datetime.now(UTC).isoformat(), **SPACE, "allocations": [], "unknown": []}
        older = answers.read(answers.Observed, "observe", listed).to_observation("nd_1", datetime.now(UTC))
        await house.look(older)
        assert [one.health for one in await house.gpus()] == [None, None]
