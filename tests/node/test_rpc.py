"""The protocol's edges, without a node: what is refused before anything is touched."""

import contextlib
import io
import json
import multiprocessing
import os
import select
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from node.sublet_node import commands, devices, files, hostcert, request, rpc, rules, surroundings
from node.sublet_node.errors import NodeError
from node.sublet_node.gpus import Gpu
from node.sublet_node.request import Subject
from node.sublet_node.store import Store

SUBJECT = Subject("al_abcdefghijklmnop", "al-abcdefghijklmnop", 200_123)
PARAMS: dict[str, Any] = {
    "allocation": SUBJECT.allocation,
    "login": SUBJECT.login,
    "uid": SUBJECT.uid,
    "state": "active",
    "limits": {"cpu_percent": 100, "memory_mib": 1024, "tasks_max": 100, "disk_gib": 1},
    "gpus": [],
    "principals": [SUBJECT.login],
    "authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvbw== me@here"],
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "records", tmp_path / "locks")


class TestLines:
    def test_each_line_gets_one_answer_even_a_broken_one(self, store: Store) -> None:
        sink = io.BytesIO()
        lines = b'nonsense\n\n[1]\n{"id":"a","version":2,"verb":"probe"}\n{"id":"b","version":1,"verb":"reboot"}\n'
        rpc.serve(store, io.BytesIO(lines), sink)
        answers = [json.loads(line) for line in sink.getvalue().splitlines()]
        assert [answer["error"]["code"] for answer in answers] == [
            *("bad_request", "bad_request", "version_unsupported", "verb_unknown"),
        ]
        assert [answer["id"] for answer in answers] == [None, None, "a", "b"]

    @pytest.mark.parametrize("verb", [None, 7, ["probe"], {"verb": "probe"}, "rm"])
    def test_what_is_no_verb_is_named_so(self, store: Store, verb: Any) -> None:
        answer = rpc.answer(store, json.dumps({"id": "r1", "version": 1, "verb": verb}).encode())
        assert (answer["id"], answer["error"]["code"]) == ("r1", "verb_unknown")

    @given(st.binary(max_size=300))
    def test_no_line_ends_the_channel(self, line: bytes) -> None:
        answer = rpc.answer(Store(Path("/nonexistent"), Path("/nonexistent")), line)
        assert answer["ok"] is False

    def test_an_overlong_line_is_refused(self, store: Store) -> None:
        assert rpc.answer(store, b"x" * (4 << 20))["error"]["code"] == "bad_request"


def programs_of_ours(name: bytes) -> list[str]:
    """Children of this process that run a program, or ran it and were not waited for."""
    ours = f"PPid:\t{os.getpid()}\n"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if ours in (process / "status").read_text() and (process / "comm").read_bytes().strip() == name:
                found.append(process.name)
    return found


class TestADeadline:
    def ask(self, store: Store, verb: str, **more: Any) -> dict[str, Any]:
        return rpc.answer(store, json.dumps({"id": "r1", "version": 1, "verb": verb, **more}).encode())

    def test_stops_what_changes_nothing_and_the_program_that_it_waits_for(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        began = []

        def wait(*_request: Any) -> dict[str, Any]:
            began.append(True)
            return {"said": commands.run("sleep", "600", timeout_seconds=600)}

        monkeypatch.setitem(rpc.VERBS, "observe", wait)
        error = self.ask(store, "observe", seconds=0.2)["error"]
        assert (error["code"], error["retryable"], began) == ("deadline_passed", True, [True])
        assert programs_of_ours(b"sleep") == []
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0

    def test_is_no_ordinary_failure_that_something_on_the_way_may_swallow(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wait(*_request: Any) -> dict[str, Any]:
            with contextlib.suppress(Exception):
                select.select([], [], [], 600)
            return {}

        monkeypatch.setitem(rpc.VERBS, "usage", wait)
        assert self.ask(store, "usage", seconds=0.1)["error"]["code"] == "deadline_passed"

    @pytest.mark.parametrize("verb", sorted(set(rpc.VERBS) - {"observe", "usage", "explain_entry", "started"}))
    def test_stops_nothing_that_changes_something(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, verb: str
    ) -> None:
        monkeypatch.setitem(rpc.VERBS, verb, lambda *_: {"left": signal.getitimer(signal.ITIMER_REAL)[0]})
        assert self.ask(store, verb, seconds=600)["observed"] == {"left": 0}

    @pytest.mark.parametrize("seconds", [0, -1, True, "5", [], float("nan")])
    def test_is_a_number_of_seconds(self, store: Store, seconds: Any) -> None:
        assert self.ask(store, "observe", seconds=seconds)["error"]["code"] == "bad_request"


class TestRequests:
    def test_a_good_one_is_read(self) -> None:
        assert request.desired(PARAMS).subject == SUBJECT

    @pytest.mark.parametrize(
        "change",
        [
            {"allocation": "al_../../etc/passwd"},
            {"allocation": "al_abcdefghijklmnop\n"},
            {"login": "root"},
            {"login": "al-ponmlkjihgfedcba"},
            {"uid": 0},
            {"uid": 199_999},
            {"uid": True},
            {"uid": "200123"},
            {"state": "gone"},
            {"limits": {}},
            {"limits": {**PARAMS["limits"], "cpu_percent": 0}},
            {"limits": {**PARAMS["limits"], "memory_mib": 1.5}},
            {"gpus": ["GPU; rm -rf /"]},
            {"gpus": "GPU-1"},
            {"principals": ["sublet-control"]},
            {"principals": [f"{SUBJECT.login}\nsublet-control"]},
            {"authorized_keys": ['command="id" ssh-ed25519 AAAA me']},
            {"authorized_keys": ["ssh-ed25519 AAAA me\nssh-ed25519 BBBB you"]},
            {"authorized_keys": ["cert-authority ssh-ed25519 AAAA"]},
        ],
    )
    def test_a_dangerous_one_is_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(NodeError) as refused:
            request.desired({**PARAMS, **change})
        assert refused.value.code == "bad_request"


class TestFence:
    def test_lets_the_same_and_higher_generations_through(self, store: Store) -> None:
        assert [store.accept(SUBJECT, number, intent="apply").generation for number in (1, 1, 2, 9)] == [1, 1, 2, 9]

    def test_survives_in_the_file_and_refuses_a_lower_one(self, store: Store, tmp_path: Path) -> None:
        store.accept(SUBJECT, 7, intent="apply")
        with pytest.raises(NodeError, match="generation 7") as refused:
            Store(tmp_path / "records", tmp_path / "locks").accept(SUBJECT, 6, intent="release")
        assert refused.value.code == "stale_generation"

    def test_an_apply_with_the_generation_of_a_release_is_too_late(self, store: Store) -> None:
        store.accept(SUBJECT, 7, intent="release")
        with pytest.raises(NodeError, match="too late"):
            store.accept(SUBJECT, 7, intent="apply")
        assert store.accept(SUBJECT, 7, intent="release").generation == 7

    @pytest.mark.parametrize("generation", [None, -1, "1", 1.0, True])
    def test_needs_a_number(self, store: Store, generation: Any) -> None:
        with pytest.raises(NodeError, match="whole number"):
            store.accept(SUBJECT, generation, intent="apply")

    def test_one_command_at_a_time_and_the_lock_ends_with_its_process(self, store: Store) -> None:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=_hold, args=(store, theirs))
        process.start()
        try:
            assert ours.recv() == "locked"
            with pytest.raises(NodeError) as busy, store.locked(SUBJECT.allocation, deadline_seconds=0.05):
                pass
            assert busy.value.retryable
        finally:
            process.kill()
            process.join()
            ours.close()
            theirs.close()
        with store.locked(SUBJECT.allocation, deadline_seconds=1):
            pass

    def test_a_missing_or_damaged_record_is_never_an_empty_list(self, store: Store, tmp_path: Path) -> None:
        with pytest.raises(NodeError) as missing:
            store.all()
        store.accept(SUBJECT, 1, intent="apply")
        (tmp_path / "records" / f"{SUBJECT.allocation}.json").write_text("{")
        with pytest.raises(NodeError) as damaged:
            store.all()
        assert {missing.value.code, damaged.value.code} == {"state_unreadable"}


class TestManagedFiles:
    ANY_END = (
        b"first\nlast\n",
        b"first\nlast",
        b"",
        b"\n",
        b"first\r\nlast\r\n",
        b"a\r\n# M\xfcller\r\nlast\r",
        b"\x0c\r",
    )

    @pytest.mark.parametrize("at_top", [False, True])
    @pytest.mark.parametrize("before", ANY_END)
    def test_a_block_is_added_once_and_taken_out_again(self, tmp_path: Path, before: bytes, at_top: bool) -> None:
        path = tmp_path / "sshd"
        path.write_bytes(before)
        assert files.add_block(path, ["ours"], at_top=at_top)
        assert not files.add_block(path, ["ours"], at_top=at_top)
        assert files.has_block(path, ["ours"])
        assert path.read_bytes().count(b"ours") == 1
        assert before in path.read_bytes()
        assert files.remove_block(path)
        assert path.read_bytes() == before

    def test_what_was_added_below_a_block_stays_a_line_of_its_own(self, tmp_path: Path) -> None:
        path = tmp_path / "sshd"
        path.write_text("first\nlast")
        files.add_block(path, ["ours"])
        path.write_text(f"{path.read_text()}theirs\n")
        files.add_block(path, ["ours"])
        assert files.remove_block(path)
        assert path.read_text() == "first\nlast\ntheirs\n"

    def test_replacing_with_the_same_says_so(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "file"
        assert files.replace(path, b"one", mode=0o600)
        assert not files.replace(path, b"one", mode=0o600)
        assert files.replace(path, b"one", mode=0o640)
        assert [entry.name for entry in path.parent.iterdir()] == ["file"]


class TestDeviceRules:
    """As the kernel lists them for a slice in a version 1 hierarchy; /dev/null (1:3) stands for a GPU here."""

    @pytest.mark.parametrize(
        ("rules", "shut"),
        [
            (["c 1:3 rw", "c 1:5 rw"], False),
            (["c 1:* r"], False),
            (["c *:3 w"], False),
            (["c *:* rwm"], False),
            (["a *:* rwm"], False),
            (["c 1:5 rw", "c 11:3 rw", "c 1:33 rw", "b 1:3 rw", "b *:* rwm"], True),
            (["c *:* m"], True),
            ([], True),
        ],
    )
    def test_are_read_with_their_wildcards(self, monkeypatch: pytest.MonkeyPatch, rules: list[str], shut: bool) -> None:
        monkeypatch.setattr("node.sublet_node.systemd.is_running", lambda: True)
        monkeypatch.setattr("node.sublet_node.cgroups.is_version_2", lambda: False)
        monkeypatch.setattr("node.sublet_node.cgroups.allowed_devices", lambda _: rules)
        gpu = Gpu(index=0, uuid="GPU-1", model="Stand-in", memory_mib=1, device="/dev/null")
        assert devices.closed("user-200123.slice", [], [gpu])[0] is shut
        assert devices.closed("user-200123.slice", [gpu], [])[0] is not shut


def asked(*, deny: Sequence[str] = (), allow: Sequence[str] = (), network: str = "") -> rules.Wanted:
    """What a node was enrolled with."""
    return rules.Wanted(tuple(rules.resolve([*deny])), tuple(rules.resolve([*allow])), network)


class TestFirewallRules:
    def test_name_every_address_and_only_its_port(self) -> None:
        table = rules.table(asked(deny=["127.0.0.1:443", "[::1]:8443", "192.0.2.7"]), [22])
        assert "ip daddr 127.0.0.1 tcp dport 443 reject" in table
        assert "ip6 daddr ::1 udp dport 8443 reject" in table
        assert "ip daddr 192.0.2.7 reject" in table
        assert 'oifname "lo" meta skuid 200000-2000000001 tcp dport 22 reject' in table

    def test_name_prefixes_and_what_surrounds_any_node(self) -> None:
        table = rules.table(asked(deny=["10.0.0.0/8", "fd00::/8"]), [22])
        for denied in ("ip daddr 10.0.0.0/8", "ip6 daddr fd00::/8", "ip daddr 169.254.0.0/16", "ip6 daddr fe80::/10"):
            assert f" {denied} reject" in table

    def test_let_names_be_asked_for_where_only_the_surroundings_would_deny_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(surroundings, "gateways", lambda: ["192.0.2.1"])
        monkeypatch.setattr(surroundings, "nameservers", lambda: ["192.0.2.1", "169.254.169.253", "9.9.9.9"])
        lines = rules.table(asked(deny=["169.254.169.253"]), []).splitlines()
        wanted = (
            "169.254.169.253 reject",
            "192.0.2.1 tcp dport 53 accept",
            "192.0.2.1 reject",
            "169.254.0.0/16 reject",
        )
        order = [next(i for i, line in enumerate(lines) if f"daddr {part}" in line) for part in wanted]
        assert order[0] < order[1] < min(order[2:])
        assert not any("9.9.9.9" in line for line in lines)

    @pytest.mark.parametrize(
        "entry", ["10.0.0.1/8", "fd00::/129", "x/8", "", "http://example.org", "a b:1", "host:port", "::1:80; drop"]
    )
    def test_nonsense_is_refused(self, entry: str) -> None:
        with pytest.raises(NodeError):
            rules.resolve([entry])


class TestHostCertificates:
    @given(st.text(max_size=200))
    def test_garbage_is_a_bad_request(self, line: str) -> None:
        with pytest.raises(NodeError) as refused:
            hostcert.parse(line)
        assert refused.value.code == "bad_request"


def _hold(store: Store, pipe: Any) -> None:
    with store.locked(SUBJECT.allocation):
        pipe.send("locked")
        pipe.recv()
