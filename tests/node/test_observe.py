"""What an observation makes of an allocation that begins while the node is looked at."""

import json
from pathlib import Path
from typing import Any

import pytest
from node.sublet_node import logins, rpc
from node.sublet_node.request import Subject
from node.sublet_node.store import Allocation, Store

NEW = Subject("al_abcdefghijklmnop", "al-abcdefghijklmnop", 1_999_123)


def unknown(store: Store) -> list[dict[str, Any]]:
    answer = rpc.answer(store, json.dumps({"id": "o1", "version": 1, "verb": "observe"}).encode())
    assert answer["ok"], answer
    return [one for one in answer["observed"]["unknown"] if one["login"] == NEW.login]


class TestAnAccountThatIsMadeMeanwhile:
    @pytest.mark.parametrize("by", ["an apply", "an apply after a release", "nobody we know"])
    def test_is_a_stranger_only_without_a_record(
        self, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for folder in ("records", "locks"):
            (tmp_path / folder).mkdir(mode=0o700)
        store, entries = Store(tmp_path / "records", tmp_path / "locks"), logins.passwd_entries()
        if by == "an apply after a release":
            store.put(Allocation(NEW.allocation, NEW.login, NEW.uid, 1, state="released"))

        def just_after_it() -> dict[str, int]:
            if by != "nobody we know":
                with store.locked(NEW.allocation):
                    store.accept(NEW, 2, intent="apply")
            return {**entries, NEW.login: NEW.uid}

        monkeypatch.setattr(logins, "passwd_entries", just_after_it)
        assert unknown(store) == ([{"login": NEW.login, "uid": NEW.uid}] if by == "nobody we know" else [])
