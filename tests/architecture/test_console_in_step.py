"""The console's OpenAPI document is the server's, and its types are the document's: `make openapi` writes both anew."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = ROOT / "console"
GENERATE = CONSOLE / "node_modules" / "openapi-typescript" / "bin" / "cli.js"


class TestTheConsole:
    def test_has_the_servers_openapi_document(self, openapi: dict[str, Any]) -> None:
        kept = json.loads((CONSOLE / "openapi.json").read_text(encoding="utf-8"))
        changed = {path for path in {**kept["paths"], **openapi["paths"]} if _at(kept, path) != _at(openapi, path)}
        assert changed == set(), "these routes have changed: run `make openapi`"
        assert kept == json.loads(json.dumps(openapi)), "run `make openapi`"

    def test_has_the_types_of_that_document(self, tmp_path: Path) -> None:
        written = tmp_path / "schema.d.ts"
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"}
        subprocess.run(
            ["node", str(GENERATE), "openapi.json", "--output", str(written)],
            cwd=CONSOLE,
            env=environment,
            check=True,
            capture_output=True,
            timeout=120,
        )
        assert written.read_text() == (CONSOLE / "src" / "api" / "schema.d.ts").read_text(), "run `make openapi`"


def _at(document: dict[str, Any], path: str) -> Any:
    """A route as JSON has it."""
    return json.loads(json.dumps(document["paths"].get(path)))
