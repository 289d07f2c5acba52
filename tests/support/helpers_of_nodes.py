"""Helpers other than the one in the sources: earlier releases as they were shipped, and variants made of ours."""

import hashlib
import io
import lzma
import zipfile
from pathlib import Path

from sublet.fleet.node_helper import Helper

_EARLIER = Path(__file__).with_name("earlier_helpers")
_SHEBANG = b"#!/usr/bin/env python3\n"
VERSION_FILE = "sublet_node/__init__.py"


def earlier_helper(version: str, target: Path) -> Path:
    """The helper of an earlier release, byte for byte; each is kept packed from when its protocol was the newest."""
    target.write_bytes(lzma.decompress((_EARLIER / f"sublet-node-{version}.pyz.xz").read_bytes()))
    target.chmod(0o755)
    return target


def variant(built: bytes, version: str, **appended: str) -> Helper:
    """A helper like the given one with another version; `appended` is added to the end of modules, by their names."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(built)) as given, zipfile.ZipFile(made, "w") as archive:
        for entry in given.infolist():
            content = given.read(entry)
            if entry.filename == VERSION_FILE:
                content = f'HELPER_VERSION = "{version}"\nPROTOCOL_VERSION = 1\n'.encode()
            module = Path(entry.filename).stem
            if entry.filename == f"sublet_node/{module}.py" and module in appended:
                content += f"\n\n{appended[module]}\n".encode()
            archive.writestr(entry, content)
    program = _SHEBANG + made.getvalue()
    return Helper(version, hashlib.sha256(program).hexdigest(), program)
