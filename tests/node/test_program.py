"""A helper that runs goes on with what it was started from, whatever takes its place meanwhile."""

import hashlib
import platform
import subprocess
import sys
from pathlib import Path

BEGUN = """
import os, sys
program, other = sys.argv[1:]
sys.path.insert(0, program)
from sublet_node import confinement, entry, namespaces
os.replace(other, program)
import hashlib
print(hashlib.sha256(confinement.module()).hexdigest(), namespaces.made_as)
"""


def test_what_is_in_its_archive_is_read_before_another_helper_can_take_its_place(helper: Path, tmp_path: Path) -> None:
    program, other = tmp_path / "sublet-node", tmp_path / "other"
    program.write_bytes(helper.read_bytes())
    other.write_bytes(b"another program")
    done = subprocess.run(
        [sys.executable, "-I", "-c", BEGUN, str(program), str(other)], capture_output=True, text=True, check=False
    )
    package = Path(__file__).resolve().parents[2] / "node" / "sublet_node"
    files = (package / f"pam_sublet-{platform.machine()}.so", package / "session.py")
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert done.stdout.split() == digests, done.stderr
