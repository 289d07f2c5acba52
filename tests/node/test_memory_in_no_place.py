"""Memory that is in no place belongs to whoever made it, and is found with whoever has it open."""

import mmap
import os
import subprocess
import sys

import pytest
from node.sublet_node import holders, processes
from node.sublet_node.marks import Marks

NOBODY = 65534
HAVE = {
    "by itself": "import os; kept = os.memfd_create('kept')",
    "of huge pages": "import os; kept = os.memfd_create('kept', os.MFD_HUGETLB)",
    "shared with others": "import mmap; kept = mmap.mmap(-1, 4096)",
}


def found(have: str, uid: int) -> list[str]:
    """What a process has of the memory of a uid, when it has just this."""
    program = f"{have}; print(1, flush=True); input()"
    command = [sys.executable, "-ISc", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        looked_into = processes.read(process.pid)
        try:
            return [what for what, _ in holders._of(looked_into, Marks("\0", -1, memory_of=uid), set())]
        finally:
            process.kill()


@pytest.mark.parametrize("kind", HAVE)
def test_is_found_of_whose_it_is_and_of_nobody_else(kind: str) -> None:
    assert found(HAVE[kind], os.getuid()) == ["a piece of memory"]
    assert found(HAVE[kind], NOBODY) == []


def test_is_no_file(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "file")
    with open(path, "wb") as file:
        file.truncate(mmap.PAGESIZE)
    assert found(f"kept = open({path!r})", os.getuid()) == []
