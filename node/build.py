"""Builds the node helper: one zipapp, the same bytes from the same sources."""

import io
import sys
import zipfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PACKAGE = _HERE / "sublet_node"
_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = "import sys\n\nfrom sublet_node.entry import main\n\nsys.exit(main())\n"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can hold


def build(target: Path = _HERE / "dist" / "sublet-node.pyz") -> Path:
    """Write the zipapp to `target`, whole or not at all, and return its path."""
    contents = {"__main__.py": _MAIN.encode()}
    for source in sorted((*_PACKAGE.rglob("*.py"), *_PACKAGE.glob("*.so"))):
        contents[f"sublet_node/{source.relative_to(_PACKAGE).as_posix()}"] = source.read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED
            archive.writestr(entry, content)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    unfinished.write_bytes(_SHEBANG + buffer.getvalue())
    unfinished.chmod(0o755)
    unfinished.replace(target)
    return target


if __name__ == "__main__":
    print(build(*map(Path, sys.argv[1:2])))
