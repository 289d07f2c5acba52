"""What is read of what drivers say: `nvidia-smi -q` of several versions, and the kernel's log."""

import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from node.sublet_node import gpu_facts, gpu_health, kernel_log, oom_kills, paths
from node.sublet_node.errors import NodeError
from node.sublet_node.gpus import Gpu

RECORDED = Path(__file__).parent / "recorded_gpus"
FIRST, SECOND = (f"GPU-5f0c2a51-3f6e-7b15-9f0e-1d0f3c1a0{one}" for one in ("a01", "b02"))
CARDS = [
    Gpu(0, FIRST, "NVIDIA L4", 23034, "/dev/nvidia0", "0000:3b:00.0"),
    Gpu(1, SECOND, "NVIDIA L4", 23034, "/dev/nvidia1", "0000:af:00.0"),
]


def facts(name: str) -> list[dict[str, Any]]:
    return gpu_facts.read((RECORDED / f"{name}.txt").read_text())


def log() -> list[kernel_log.Record]:
    with patch.object(paths, "KERNEL_LOG", RECORDED / "kernel.log"):
        return kernel_log.read()


class TestFacts:
    def test_of_healthy_gpus(self) -> None:
        first, second = facts("healthy-570")
        assert first == {
            "bus": "0000:3b:00.0",
            "uuid": FIRST,
            "driver": "570.86.15",
            "answers": True,
            "recovery": "none",
            "mig": None,
            "temperature": 34,
            "memory_used_mib": 1,
            "busy_percent": 0,
            "ecc_uncorrected": 0,
            "remapping_pending": False,
            "remapping_failed": False,
            "retirement_pending": None,
            "slowed_by": [],
        }
        assert (second["uuid"], second["bus"], second["temperature"]) == (SECOND, "0000:af:00.0", 36)
        assert tuple(first) == gpu_facts.NAMES

    @pytest.mark.parametrize(
        ("recorded", "card", "differs"),
        [
            ("ecc-550", 0, {"ecc_uncorrected": 2, "remapping_pending": True, "recovery": "none"}),
            ("ecc-550", 1, {"ecc_uncorrected": 0, "remapping_pending": False}),
            ("needs-reset-570", 1, {"recovery": "reset", "answers": True}),
            ("requires-reset-535", 0, {"recovery": "reset", "temperature": None, "memory_used_mib": None}),
            ("mig-550", 0, {"mig": True, "ecc_uncorrected": 0, "memory_used_mib": 1}),
            ("throttled-550", 0, {"slowed_by": ["hw_thermal", "sw_thermal"], "answers": True, "busy_percent": 100}),
            ("other-driver-470", 0, {"driver": "470.256.02", "ecc_uncorrected": 0, "recovery": None}),
            ("other-driver-470", 1, {"ecc_uncorrected": 1, "retirement_pending": True, "remapping_pending": None}),
            ("lost-values-570", 0, {"answers": True}),
            ("lost-values-570", 1, {"answers": False, "temperature": None}),
            ("remap-failed-550", 0, {"remapping_failed": True}),
        ],
    )
    def test_of_others(self, recorded: str, card: int, differs: dict[str, Any]) -> None:
        found = facts(recorded)[card]
        assert {name: found[name] for name in differs} == differs

    def test_of_what_is_no_listing_are_none(self) -> None:
        said = (
            "Unable to determine the device handle for GPU0000:AF:00.0: GPU is lost.  Reboot the system to recover it"
        )
        assert gpu_facts.read(said) == []


class TestErrorsOfTheDriver:
    def test_are_read_from_the_kernels_log_and_none_that_a_program_wrote(self) -> None:
        found = gpu_health.xids(log(), CARDS)
        assert [(one["number"], one["xid"], one["uuid"]) for one in found] == [
            (1378, 13, FIRST),
            (1379, 13, FIRST),
            (1402, 31, FIRST),
            (1511, 48, SECOND),
            (1512, 94, SECOND),
            (1600, 79, SECOND),
            (1601, 154, SECOND),
            (1633, 999, FIRST),
        ]
        assert found[0]["text"].startswith("pid=20811, name=python3, Graphics SM Warp Exception")

    def test_have_the_time_at_which_they_were_written(self) -> None:
        now = [kernel_log.Record(1, 0, "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.")]
        booted = datetime.fromisoformat(gpu_health.xids(now, CARDS)[0]["at"])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        assert abs(booted + timedelta(seconds=uptime) - datetime.now(UTC)) < timedelta(minutes=1)

    def test_within_one_second_are_told_apart_so_that_whoever_came_between_them_hears_of_the_later_alone(self) -> None:
        text = "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus."
        two = [kernel_log.Record(1, 0, text), kernel_log.Record(2, 40_000, text)]
        first, second = (datetime.fromisoformat(one["at"]) for one in gpu_health.xids(two, CARDS))
        assert timedelta(milliseconds=39) <= second - first <= timedelta(milliseconds=41)

    def test_of_a_gpu_that_is_not_known_have_its_place_alone(self) -> None:
        assert {one["uuid"] for one in gpu_health.xids(log(), CARDS[:1])} == {FIRST, None}

    def test_are_the_latest_fifty(self) -> None:
        many = [kernel_log.Record(one, one, "NVRM: Xid (PCI:0000:3b:00): 31, x") for one in range(80)]
        assert [one["number"] for one in gpu_health.xids(many, CARDS)] == list(range(30, 80))


class TestTheKernelsLog:
    def test_that_cannot_be_read_says_nothing(self, tmp_path: Path) -> None:
        with patch.object(paths, "KERNEL_LOG", tmp_path / "none"):
            assert kernel_log.read() == []

    def test_of_this_machine_is_read_to_its_end(self) -> None:
        numbers = [record.number for record in kernel_log.read()]
        assert numbers == sorted(set(numbers))

    def test_tells_whose_process_was_ended_for_want_of_memory(self, tmp_path: Path) -> None:
        (tmp_path / "user-200417.slice").mkdir()
        with (
            patch.object(oom_kills.systemd, "is_running", lambda: True),
            patch.object(oom_kills.cgroups, "is_version_2", lambda: False),
            patch.object(oom_kills.cgroups, "group", lambda _controller, name: tmp_path / name),
            patch.object(paths, "RUN", tmp_path / "run"),
        ):
            assert oom_kills.count(200417, log()) == 1
            assert oom_kills.count(200417, []) == 1  # the kernel forgets, and the node does not
            assert oom_kills.count(200418, log()) is None


class TestNvidiaSmi:
    def test_that_hangs_is_asked_once_and_holds_up_no_look(self) -> None:
        asked, ends = [], threading.Event()

        def hangs(_seconds: float | None, *more: str) -> tuple[int, str]:
            asked.append(more)
            ends.wait(60)
            return 0, (RECORDED / "healthy-570.txt").read_text()

        watch = gpu_health._Watch()
        with (
            patch.object(gpu_health, "_run", hangs),
            patch.object(gpu_health, "_WAIT_SECONDS", 0.05),
            patch.object(gpu_health.gpus, "remembered", lambda: CARDS),
        ):
            began = time.monotonic()
            assert watch.look() == {"cards": None, "failure": None}
            with patch.object(gpu_health, "_HANGS_SECONDS", 0.0):
                assert "has not answered" in watch.look()["failure"]
            assert (len(asked), time.monotonic() - began < 5) == (1, True)
            ends.set()
            watch._asking.join(10)  # type: ignore[union-attr]  # it has been started
            said = watch.look()
            assert ([card["uuid"] for card in said["cards"]], said["failure"]) == ([FIRST, SECOND], None)
            watch.look()
            assert len(asked) == 1, "what was said lately is said again"

    def test_that_lists_none_because_one_is_lost_is_asked_for_each(self) -> None:
        whole = (RECORDED / "healthy-570.txt").read_text()
        lost = "Unable to determine the device handle for GPU0000:AF:00.0: GPU is lost."

        def one_is_lost(_seconds: float | None, *more: str) -> tuple[int, str]:
            return (0, whole.partition("GPU 00000000:AF:00.0")[0]) if more == ("-i", "0000:3b:00.0") else (15, lost)

        with patch.object(gpu_health, "_run", one_is_lost), patch.object(gpu_health.gpus, "remembered", lambda: CARDS):
            cards, failure = gpu_health._ask(None)
            assert [(card["uuid"], card["answers"]) for card in cards] == [(FIRST, True), (SECOND, False)]
            assert failure is None
            assert gpu_health.recovery(FIRST) == "none"

    def test_is_asked_for_each_card_where_a_programs_name_looks_like_another_one(self) -> None:
        whole = (RECORDED / "healthy-570.txt").read_text()
        first, second = (
            whole.partition("GPU 00000000:AF:00.0")[0],
            "GPU 00000000:AF:00.0" + whole.partition("GPU 00000000:AF:00.0")[2],
        )
        head = first.partition("GPU 00000000:3B:00.0")[0]
        forged = (
            "            Name                          : x\nGPU 00000000:AF:00.0\n    GPU Recovery Action : Reset\n"
        )

        def listed(_seconds: float | None, *more: str) -> tuple[int, str]:
            if not more:
                return 0, first + forged + second
            return 0, (first + forged) if more == ("-i", "0000:3b:00.0") else (head + second)

        with patch.object(gpu_health, "_run", listed), patch.object(gpu_health.gpus, "remembered", lambda: CARDS):
            cards, _ = gpu_health._ask(None)
            assert [card["uuid"] for card in cards] == [FIRST, SECOND]
            assert gpu_health.recovery(SECOND) == "none"

    def test_that_takes_too_long_is_an_answer_that_could_not_be_had(self) -> None:
        late = subprocess.TimeoutExpired("nvidia-smi", 1)
        with patch.object(gpu_health, "_ask", side_effect=late), pytest.raises(NodeError) as refused:
            gpu_health.recovery(FIRST)
        assert (refused.value.code, refused.value.retryable) == ("command_timeout", True)

    def test_that_fails_for_all_says_why(self) -> None:
        said = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 570.124\n"
        with (
            patch.object(gpu_health, "_run", lambda *_: (18, said)),
            patch.object(gpu_health.gpus, "remembered", list),
        ):
            assert gpu_health._ask(None) == ([], " ".join(said.split()))
            with pytest.raises(NodeError):
                gpu_health.recovery(FIRST)
