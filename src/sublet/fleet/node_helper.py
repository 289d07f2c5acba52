"""The zipapp that nodes install: from the package, or built from the checkout."""

import importlib.util
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from sublet.core.errors import Unavailable

NAME = "sublet-node.pyz"


@dataclass(frozen=True, slots=True)
class Helper:
    """A node's helper: its version, its digest, and the program itself."""

    version: str
    sha256: str
    content: bytes = field(repr=False)


@cache
def node_helper() -> bytes:
    """The bytes of sublet-node.pyz; Unavailable when neither the package nor the checkout has it."""
    here = Path(__file__).resolve()
    packaged = here.parents[1] / "node_dist" / NAME
    if packaged.is_file():
        return packaged.read_bytes()
    builder = here.parents[3] / "node" / "build.py"
    if not builder.is_file():
        raise Unavailable("The node's helper is not part of this installation. Install Sublet from a complete package.")
    spec = importlib.util.spec_from_file_location("sublet_node_build", builder)
    assert spec is not None  # which a path ending in .py always gives, with a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with tempfile.TemporaryDirectory() as directory:
        built: Path = module.build(Path(directory) / NAME)
        return built.read_bytes()
