"""The PAM module that nodes load is what its source says, and nothing newer than old nodes have."""

import importlib.util
import re
from pathlib import Path

import pytest

NODE = Path(__file__).resolve().parents[2] / "node"
MACHINES = ("aarch64", "x86_64")


@pytest.mark.parametrize("machine", MACHINES)
def test_it_is_the_same_bytes_from_the_same_source(machine: str, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("build_pam", NODE / "pam" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    assert builder.MACHINES == MACHINES
    [built] = builder.build(tmp_path, machines=(machine,))
    kept = NODE / "sublet_node" / built.name
    assert built.read_bytes() == kept.read_bytes(), "run node/pam/build.py and commit what it makes"


@pytest.mark.parametrize("machine", MACHINES)
def test_it_needs_nothing_but_an_old_c_library(machine: str) -> None:
    kept = (NODE / "sublet_node" / f"pam_sublet-{machine}.so").read_bytes()
    assert re.findall(rb"\0(lib[\w.-]+\.so[\w.]*)\0", kept) == [b"libc.so.6"]
    versions = {tuple(map(int, found.split(b"."))) for found in re.findall(rb"GLIBC_([\d.]+)", kept)}
    assert max(versions) <= (2, 17)
