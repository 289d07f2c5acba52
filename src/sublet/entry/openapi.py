"""Prints the API's OpenAPI document, from which the console's client is generated; needs no database."""

import json
import sys
import tempfile
from pathlib import Path

from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.core.telemetry import configure_logging
from sublet.entry.web import create_app


def document() -> str:
    """The document as stable JSON."""
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data_directory=Path(directory), currency="USD")
        app = create_app(settings, database=Database("postgresql://nobody@localhost/none"))
        return json.dumps(app.openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    configure_logging()
    sys.stdout.write(document())
