"""Several processes share the tests so that what is dear to start is started once."""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import group_of
from tests.support.demo import ROOT
from tests.support.run import PARALLEL

CONFTEST = "from tests.conftest import pytest_xdist_make_scheduler\n"
FILE = """
import os
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", range(6))
def test_one(number: int) -> None:
    with Path("ran").open("a") as file:
        print(__name__, os.environ["PYTEST_XDIST_WORKER"], file=file)
"""


def test_demos_and_nodes_are_a_group_each_and_any_other_file_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    page, node = "tests/journeys/test_pages.py::TestEveryPage::test_one[1]", "tests/node/test_limits.py::test_one"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert (group_of(page), group_of(node)) == ("demos", "nodes")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)  # whose browsers see the machine's network
    assert group_of(page) == group_of(node) == "demos"
    assert group_of("tests/ledger/test_holds.py::test_one") == "tests/ledger/test_holds.py"


def test_a_file_is_run_by_one_process(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in "abcd":
        (tmp_path / f"test_{name}.py").write_text(FILE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    for name in [name for name in environment if name.startswith("PYTEST_XDIST")]:
        del environment[name]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", *PARALLEL],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    workers = defaultdict(set)
    for line in (tmp_path / "ran").read_text().splitlines():
        file, worker = line.split()
        workers[file].add(worker)
    assert sorted(workers) == ["test_a", "test_b", "test_c", "test_d"]
    assert {file for file, those in workers.items() if len(those) > 1} == set()
    assert len(set().union(*workers.values())) > 1
