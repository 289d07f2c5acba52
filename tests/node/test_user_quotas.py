"""Quotas of users, which the kernel that runs the tests may not have: against what one said that has them.

The recording holds each call with all of its bytes, from ext4 and from XFS. There a hog that ran as the login was
ended, as `probe` has to see it; here it is shown that the helper asks the same and reads the answers as they are meant.
"""

import ctypes
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from node.sublet_node import paths
from node.sublet_node.disk import user_quotas
from node.sublet_node.disk.user_quotas import USER_QUOTAS
from node.sublet_node.disk.volume import Volume

GIB = 1 << 30
UID = 200_001
RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "quotactl.json").read_text())


class Kernel:
    """Answers as it was recorded, and only what was asked then."""

    def __init__(self, calls: list[dict[str, Any]]) -> None:
        self.calls = iter(calls)

    def syscall(self, number: Any, homes: int, command: Any, uid: int, quota: Any) -> int:
        call = next(self.calls)
        asked = (number.value, command.value, uid, bytes(quota._obj).hex())
        assert asked == (443, call["command"], call["uid"], call["given"])
        ctypes.memmove(quota, bytes.fromhex(call["answer"]), ctypes.sizeof(quota._obj))
        ctypes.set_errno(call["errno"])
        return -1 if call["errno"] else 0


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Volume:
    """A volume in homes of the test's own."""
    monkeypatch.setattr(paths, "HOMES", tmp_path)
    monkeypatch.setattr(user_quotas, "LIMITED", tmp_path / ".sublet")
    return Volume(UID, tmp_path / "home", tmp_path / ".sublet" / "home")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    """Let a recording answer; all of it has to be asked for."""
    made = []

    def answers(calls: list[dict[str, Any]]) -> None:
        made.append(Kernel(calls))
        monkeypatch.setattr(user_quotas, "_libc", made[-1])

    yield answers
    assert [call for one in made for call in one.calls] == []


class TestQuotasOfUsers:
    @pytest.mark.parametrize(("system", "stored"), [("ext4", 20_975_616), ("xfs", 20_971_520)])
    def test_limit_grow_count_and_end_as_on_a_kernel_that_has_them(
        self, system: str, stored: int, volume: Volume, kernel: Callable[[list[dict[str, Any]]], None]
    ) -> None:
        kernel(RECORDED[system])
        USER_QUOTAS.make(volume, GIB)
        assert USER_QUOTAS.limit(volume) == GIB
        assert USER_QUOTAS.used(volume) == stored
        USER_QUOTAS.make(volume, 2 * GIB)
        assert USER_QUOTAS.limit(volume) == 2 * GIB
        USER_QUOTAS.before_removal(volume)
        USER_QUOTAS.after_removal(volume)
        assert USER_QUOTAS.left(volume) == []

    def test_tell_of_what_was_left_anywhere_on_the_file_system(
        self, volume: Volume, kernel: Callable[[list[dict[str, Any]]], None]
    ) -> None:
        kernel([RECORDED["ext4"][2]])
        assert USER_QUOTAS.left(volume) == ["20975616 bytes of uid 200001 on the file system of the homes"]

    def test_are_not_said_to_limit_a_home_that_was_made_without(
        self, volume: Volume, kernel: Callable[[list[dict[str, Any]]], None]
    ) -> None:
        volume.home.mkdir()
        kernel([])
        USER_QUOTAS.make(volume, GIB)
        assert USER_QUOTAS.limit(volume) is None

    def test_are_not_said_to_limit_when_the_kernel_has_no_limit_for_the_login(
        self, volume: Volume, kernel: Callable[[list[dict[str, Any]]], None]
    ) -> None:
        kernel([RECORDED["ext4"][0], RECORDED["ext4"][7]])
        USER_QUOTAS.make(volume, GIB)
        assert USER_QUOTAS.limit(volume) is None

    def test_are_not_tried_where_the_kernel_does_not_know_them(
        self, volume: Volume, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """This one is asked for real, about a file system that has none."""
        monkeypatch.setattr(paths, "HOMES", Path("/proc"))
        assert USER_QUOTAS.why_not().startswith("/proc is not mounted with usrquota (")
