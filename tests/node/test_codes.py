"""One list of codes: what the node's program raises, the page of its protocol, and what the control plane knows."""

import ast
import errno
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from node.sublet_node import commands, errors, rpc, store
from node.sublet_node.store import Store

from sublet.fleet import codes
from sublet.fleet import errors as fleet_errors

NODE = Path(__file__).parents[2] / "node"
HELPER = NODE / "sublet_node"


Module = tuple[str, ...]


def parsed(module: Module) -> ast.Module:
    return ast.parse(HELPER.joinpath(*module).with_suffix(".py").read_text())


def imported(module: Module) -> set[Module]:
    """The modules of the helper that one of them imports."""
    found: set[Module] = set()
    for part in ast.walk(parsed(module)):
        if isinstance(part, ast.ImportFrom) and part.level:
            base = (*module[: -part.level], *(part.module.split(".") if part.module else ()))
            found |= {base, *((*base, one.name) for one in part.names)}
    return {one for one in found if one and HELPER.joinpath(*one).with_suffix(".py").exists()}


def serving() -> set[Module]:
    """All modules that serve the protocol; the others speak to whoever is at the node's keyboard."""
    found, left = {("rpc",)}, {("rpc",)}
    while left:
        left = set().union(*(imported(module) for module in left)) - found
        found |= left
    return found


def raised() -> Iterator[tuple[str, bool, str]]:
    """Code, whether it is said to be retryable, and where, of each refusal that is written in these modules."""
    for module in sorted(serving()):
        for part in ast.walk(parsed(module)):
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "NodeError":
                code, where = part.args[0], f"{'/'.join(module)}.py:{part.lineno}"
                retryable = any(one.arg == "retryable" and ast.unparse(one.value) == "True" for one in part.keywords)
                if isinstance(code, ast.Constant):
                    yield str(code.value), retryable, where
                else:
                    literal = "a code is a literal, so that the list can be compared with it"
                    assert module == ("errors",), f"{where}: {literal}"
    for code, _ in errors._USED_UP.values():
        yield code, False, "errors.py"


def subclasses(kind: type[fleet_errors.NodeError]) -> Iterator[type[fleet_errors.NodeError]]:
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


class TestTheListOfCodes:
    def test_has_what_the_node_raises_and_nothing_else(self) -> None:
        found = {code for code, _, _ in raised()}
        assert found == set(codes.OF_NODES), "put the code into fleet/codes.py and node/protocol.md, or take it out"

    def test_agrees_with_the_node_on_what_may_work_later(self) -> None:
        differing = [one for one in raised() if codes.OF_NODES[one[0]].retryable != one[1]]
        assert differing == []

    def test_is_the_table_of_the_protocol(self) -> None:
        section = (NODE / "protocol.md").read_text().partition("\n## Codes\n")[2].partition("\n## ")[0]
        rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        listed = [code for row in rows for code in re.findall(r"`([a-z_]+)`", row)]
        assert sorted(listed) == sorted(codes.OF_NODES)

    def test_has_what_the_control_plane_says_itself(self) -> None:
        carriers = {fleet_errors.NodeFailure, fleet_errors.StaleGeneration}
        own = {one.code: one.retryable for one in subclasses(fleet_errors.NodeError) if one not in carriers}
        assert set(codes.OF_THE_WAY) == set(own)
        assert {code: codes.OF_THE_WAY[code].retryable for code in own} == own

    def test_tells_no_customer_an_address_or_a_path(self) -> None:
        for one in (*codes.OF_NODES.values(), *codes.OF_THE_WAY.values()):
            assert re.fullmatch(r"[A-Z][A-Za-z', ]+\.", one.told), one

    def test_takes_a_code_that_it_does_not_have_for_none_of_its_own(self) -> None:
        for retryable in (True, False):
            failure = fleet_errors.NodeFailure("Odd.", node_code="of_a_later_release", retryable=retryable)
            known = codes.of(failure)
            assert (known.code, known.retryable, known.capacity) == ("node_code_unknown", retryable, False)
            assert codes.of_operator(failure) == "of_a_later_release"


def asked(records: Store) -> dict[str, Any]:
    """The answer to a release of what is not there."""
    params = {"allocation": "al_abcdefghijklmnop", "login": "al-abcdefghijklmnop", "uid": 200_123}
    request = {"id": "r1", "version": 1, "verb": "release", "generation": 1, "params": params}
    return rpc.answer(records, json.dumps(request).encode())


class TestWhatANodeRunsOutOf:
    @pytest.mark.parametrize(
        ("number", "code"),
        [
            (errno.ENOSPC, "disk_full"),
            (errno.EDQUOT, "disk_quota_exceeded"),
            (errno.ENOMEM, "memory_exhausted"),
            (errno.EMFILE, "descriptors_exhausted"),
            (errno.ENFILE, "descriptors_exhausted"),
            (errno.EIO, "node_fault"),
        ],
    )
    def test_has_a_code_of_its_own(
        self, number: int, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_arguments: object, **_options: object) -> None:
            raise OSError(number, "as the kernel says", "/var/lib/sublet")

        monkeypatch.setattr(store.files, "replace", fail)
        answer = asked(Store(tmp_path / "records", tmp_path / "locks"))
        assert answer["error"]["code"] == code
        assert "/var/lib/sublet" in answer["error"]["message"]

    def test_is_found_in_the_words_of_a_program(self) -> None:
        with pytest.raises(errors.NodeError) as full:
            commands.run("sh", "-c", "echo useradd: cannot create: No space left on device >&2; exit 12")
        assert full.value.code == "disk_full"
        with pytest.raises(errors.NodeError) as other:
            commands.run("sh", "-c", "echo odd >&2; exit 12")
        assert other.value.code == "command_failed"

    def test_is_capacity_that_another_node_may_have(self) -> None:
        lacking = {code for code, _ in errors._USED_UP.values()}
        assert lacking <= {one.code for one in codes.OF_NODES.values() if one.capacity}
