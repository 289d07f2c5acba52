"""docs/schema.sql and the migrations' checksums, written anew: python -m tests.support.schema.

The dump is PostgreSQL's own, from the packaged pg_dump whatever server it asks, without what differs between runs and
servers: the header, and what is not ours.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sublet.migrations.run import migrate
from sublet.supervisor.embedded_postgres import EmbeddedPostgres, packaged_binaries
from tests.support.database import new_server

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "docs" / "schema.sql"
VERSIONS = ROOT / "src" / "sublet" / "migrations" / "versions"
CHECKSUMS = VERSIONS.parent / "checksums"

FINAL_UP_TO = "0016_payments.py"
"""The last migration that never changes again, nor any before it: of the last release, or further."""

NOT_OURS = re.compile(r"alembic|btree_gist|SCHEMA public|DEFAULT ACL")
SECTION = re.compile(r"^--\n-- Name: (?P<name>.*?); Type: .*\n--\n", re.MULTILINE)
HEADER = (
    "-- The schema of a migrated database, by pg_dump. Written by `make schema`, and held by a test; never edited.\n\n"
)


def dump(server: EmbeddedPostgres, database: str = "sublet") -> str:
    """The schema of a database as docs/schema.sql has it."""
    command = [packaged_binaries() / "bin" / "pg_dump", "--schema-only", "--no-comments", "--no-owner"]
    done = subprocess.run(
        [*command, server.url("sublet_owner", database)], capture_output=True, text=True, check=True, timeout=60
    )
    return HEADER + "".join(_sections(done.stdout))


def _sections(text: str) -> Iterator[str]:
    starts = [*SECTION.finditer(text)]
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        body = text[
            start.end() : following.start() if following else text.index("--\n-- PostgreSQL database dump complete")
        ]
        if not NOT_OURS.search(start.group()):
            statements = re.sub(r"^SET default_\w+ = .*;\n+", "", body.strip() + "\n", flags=re.MULTILINE)
            yield statements + "\n"


@dataclass(frozen=True)
class Kept:
    """The checksums that are kept, and the last migration that is final."""

    file: Path
    final_up_to: str = FINAL_UP_TO

    def faults(self, directory: Path) -> list[str]:
        """What of the migrations in a directory is not as it was."""
        kept = _by_name(self.file.read_text(encoding="utf-8")) if self.file.exists() else {}
        found = _by_name(checksums(directory))
        gone = [
            f"{name} {'has changed' if name in found else 'is gone'}" for name in kept if kept[name] != found.get(name)
        ]
        return [*gone, *(f"{name} is not in it" for name in found if name not in kept)]

    def refusals(self, directory: Path) -> list[str]:
        """What of that may not be written anew, because it is final."""
        return [fault for fault in self.faults(directory) if fault.partition(" ")[0] <= self.final_up_to]


def _by_name(text: str) -> dict[str, str]:
    return {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}


def checksums(directory: Path = VERSIONS) -> str:
    """A line for each migration: its SHA-256 and its name."""
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in migrations(directory))


def migrations(directory: Path = VERSIONS) -> Iterable[Path]:
    """The files of the migrations, oldest first."""
    return sorted(directory.glob("[0-9]*.py"))


def main() -> None:
    """Migrate an empty database, and write both files; refuse if one that is final has changed."""
    if refused := Kept(CHECKSUMS).refusals(VERSIONS):
        sys.exit(f"These migrations are final: {', '.join(refused)}. Nothing was written. Add a migration.")
    os.environ.pop("SUBLET_TEST_POSTGRES", None)
    directory = Path(tempfile.mkdtemp(prefix="sublet-schema-"))
    directory.chmod(0o711)  # the server's account must be able to enter
    server = new_server(directory)
    try:
        server.start()
        migrate(server.owner_url)
        SCHEMA.write_text(dump(server), encoding="utf-8")
        CHECKSUMS.write_text(checksums(), encoding="utf-8")
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
