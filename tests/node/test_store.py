"""A node's records: those of released allocations are a fence, and cost nothing that is looked at over and over."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from node.sublet_node import node_network
from node.sublet_node.errors import NodeError
from node.sublet_node.request import Subject
from node.sublet_node.store import Allocation, Store

RUNNING = "al_aaaaaaaaaaaaaaaa"
MONTH_SECONDS = 31 * 86400


def released(number: int) -> Allocation:
    return Allocation(f"al_{number:016d}", f"al-{number:016d}", 2_000_000 + number, 7, state="released")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "allocations", tmp_path / "locks")


def subject_of(record: Allocation) -> Subject:
    return Subject(record.allocation, record.login, record.uid)


class TestReleasedAllocations:
    def test_are_not_read_by_what_looks_at_all_that_is_here(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(500):
            store.put(released(number))
        store.put(Allocation(RUNNING, "al-aaaaaaaaaaaaaaaa", 1_999_999, 1, state="active", gpus=["GPU-1"]))
        read: list[Path] = []
        plain = Store._read
        monkeypatch.setattr(Store, "_read", lambda self, path: read.append(path) or plain(self, path))
        assert [record.allocation for record in store.all()] == [RUNNING]
        assert store.gpus_in_use() == {"GPU-1"}
        assert store.walled_logins(subject_of(released(1))) == set()
        assert {path.stem for path in read} == {RUNNING}
        assert len(read) == 3

    def test_still_refuse_what_comes_late(self, store: Store) -> None:
        store.put(released(1))
        for generation, intent in ((6, "release"), (6, "apply"), (7, "apply")):
            with pytest.raises(NodeError) as refused:
                store.accept(subject_of(released(1)), generation, intent=intent)
            assert refused.value.code == "stale_generation"

    def test_come_back_when_they_are_applied_anew(self, store: Store) -> None:
        store.put(released(1))
        record = store.accept(subject_of(released(1)), 8, intent="apply")
        assert store.all() == [record], "there may be something of it from now on, and it has to be known whose that is"
        record.state, record.intent = "active", ""
        store.put(record)
        assert [(one.generation, one.state) for one in store.all()] == [(8, "active")]
        assert store.get(record.allocation) == record

    @pytest.mark.parametrize(("here", "state"), [(7, "released"), (8, "active")])
    def test_are_told_from_a_run_that_was_cut_off_by_their_generation(
        self, store: Store, tmp_path: Path, here: int, state: str
    ) -> None:
        store.put(Allocation("al_0000000000000001", "al-0000000000000001", 2_000_001, here, state="active"))
        kept = tmp_path / "kept.json"
        shutil.copy(tmp_path / "allocations" / "al_0000000000000001.json", kept)
        store.put(released(1))
        shutil.copy(kept, tmp_path / "allocations" / "al_0000000000000001.json")
        record = store.get("al_0000000000000001")
        assert record is not None
        assert record.state == state

    def test_are_forgotten_after_a_month_with_their_locks(self, store: Store, tmp_path: Path) -> None:
        for number in (1, 2):
            store.put(released(number))
            with store.locked(f"al_{number:016d}"):
                pass
        long_ago = time.time() - MONTH_SECONDS
        os.utime(tmp_path / "allocations" / "ended" / "al_0000000000000001.json", (long_ago, long_ago))
        assert store.forget_old() == 1
        assert store.get("al_0000000000000001") is None
        assert store.get("al_0000000000000002") is not None
        assert {path.name for path in (tmp_path / "locks").iterdir()} == {"al_0000000000000002"}

    def test_that_an_earlier_helper_left_are_put_with_their_like(self, store: Store, tmp_path: Path) -> None:
        store.put(released(1))
        (tmp_path / "allocations" / "ended" / "al_0000000000000001.json").rename(
            tmp_path / "allocations" / "al_0000000000000001.json"
        )
        assert [record.released for record in store.all()] == [True]
        store.forget_old()
        assert store.all() == []
        record = store.get("al_0000000000000001")
        assert record is not None
        assert record.released
        assert json.loads((tmp_path / "allocations" / "ended" / "al_0000000000000001.json").read_bytes())["uid"]


class TestARecord:
    def test_of_a_newer_helper_is_read_by_an_earlier_one(self, store: Store, tmp_path: Path) -> None:
        record = released(1)
        record.state = "active"
        store.put(record)
        path = tmp_path / "allocations" / f"{record.allocation}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "since_then": ["something"]}))
        assert store.get(record.allocation) == record

    def test_that_is_no_object_is_damaged(self, store: Store, tmp_path: Path) -> None:
        store.put(released(1))
        path = next((tmp_path / "allocations").rglob("*.json"))
        path.write_text("[]")
        with pytest.raises(NodeError, match="is damaged"):
            store.get(released(1).allocation)


class TestWhoIsIn:
    """Whoever is in the node's own network keeps everybody away, by what the records say."""

    @pytest.fixture
    def first(self, store: Store) -> Allocation:
        """It runs in the node's own network."""
        record = Allocation(RUNNING, "al-aaaaaaaaaaaaaaaa", 1_999_999, 1, state="active", node_network=True)
        store.put(record)
        return record

    def comes(self, store: Store) -> bool:
        """Whether another may come with a network of its own; it is gone again after that."""
        other = store.accept(subject_of(released(1)), 8, intent="apply")
        try:
            node_network.settle(store, other, wanted=False, comes_in=True)
        except NodeError as error:
            return error.code != "not_alone"
        finally:
            store.put(released(1))
        return True

    def ended(self, store: Store, record: Allocation) -> None:
        record.state, record.intent, record.may_run = "suspended", "", False
        store.put(record)

    def test_keeps_others_away_until_all_of_it_is_ended(self, store: Store, first: Allocation) -> None:
        store.accept(subject_of(first), 2, intent="suspend")
        assert not self.comes(store)
        self.ended(store, first)
        assert self.comes(store)

    @pytest.mark.parametrize(("intent", "free"), [("suspend", True), ("release", True), ("apply", False)])
    def test_keeps_nobody_away_by_being_looked_at_while_suspended(
        self, store: Store, first: Allocation, intent: str, *, free: bool
    ) -> None:
        self.ended(store, first)
        store.accept(subject_of(first), 2, intent=intent)
        assert self.comes(store) is free

    @pytest.mark.parametrize("intent", ["suspend", "release"])
    def test_counts_from_where_it_was_let_in_though_that_run_was_cut_off(
        self, store: Store, first: Allocation, intent: str
    ) -> None:
        self.ended(store, first)
        resumed = store.accept(subject_of(first), 2, intent="apply")
        node_network.settle(store, resumed, wanted=False, comes_in=True)
        resumed.node_network = True
        store.put(resumed)
        store.accept(subject_of(first), 3, intent=intent)
        assert not self.comes(store)

    def test_keeps_nobody_away_once_it_was_refused(self, store: Store, first: Allocation) -> None:
        other = Allocation("al_bbbbbbbbbbbbbbbb", "al-bbbbbbbbbbbbbbbb", 1_999_998, 1, state="active")
        self.ended(store, first)
        store.put(other)
        resumed = store.accept(subject_of(first), 2, intent="apply")
        with pytest.raises(NodeError, match="is alone on the node"):
            node_network.settle(store, resumed, wanted=True, comes_in=True)
        assert self.comes(store)
        assert store.get(other.allocation) == other

    def test_late_is_refused_with_either_intent(self, store: Store) -> None:
        store.put(released(1))
        with pytest.raises(NodeError, match="came too late"):
            store.accept(subject_of(released(1)), 7, intent="suspend")
        assert store.accept(subject_of(released(1)), 8, intent="suspend").state == "absent"
