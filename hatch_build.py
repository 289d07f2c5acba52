"""Puts into a package what is built rather than written: the console, and the zipapp that nodes install."""

import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuiltParts(BuildHookInterface):
    """A wheel carries them where the server looks for them; an editable install finds them in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Refuse a package without a console, and add what a wheel needs."""
        if version == "editable":
            return
        root = Path(self.root)
        console = root / "console" / "dist"
        if not (console / "index.html").is_file():
            raise SystemExit("The console is not built, so nothing was packed. Run `make console` first.")
        if self.target_name == "wheel":
            self._made = tempfile.mkdtemp(prefix="sublet-build-")
            node_helper = _build_node_helper(root, Path(self._made))
            build_data["force_include"][str(console)] = "sublet/console_dist"
            build_data["force_include"][str(node_helper)] = f"sublet/node_dist/{node_helper.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was built for the wheel alone."""
        if hasattr(self, "_made"):
            shutil.rmtree(self._made)


def _build_node_helper(root: Path, directory: Path) -> Path:
    """Build it as the server does in a checkout, so that it has the same bytes."""
    spec = importlib.util.spec_from_file_location("sublet_node_build", root / "node" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    built: Path = module.build(directory / "sublet-node.pyz")
    return built
