"""`sublet demo delete`: removes what `sublet up` made, also what belongs to other ids and its user cannot remove."""

import argparse
import asyncio
import json
import sys
from contextlib import suppress

from sublet.core.errors import SubletError
from sublet.core.own_folders import NotOurs
from sublet.core.settings import Settings, read_settings
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from sublet.supervisor.files import DemoFiles
from sublet.supervisor.local_node import NODE_FAILURES, DemoNodeHost
from sublet.supervisor.processes import end_earlier_run
from sublet.supervisor.progress import Progress
from sublet_sandbox.deletion import require_no_mounts

FAILURE = 1
USAGE = 2
NOT_FOUND = 3
DENIED = 4


def main(arguments: list[str] | None = None) -> int:
    """Ask, then delete; nothing is deleted while the demo runs, or without a yes."""
    parser = argparse.ArgumentParser(
        prog="sublet demo delete",
        description="Delete the demo of this data directory: accounts, balances, the node, keys and logs.",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="for programs; goes with --yes")
    given = parser.parse_args(arguments)
    try:
        settings = read_settings()
        files = DemoFiles(settings.data_directory.absolute())
        if not files.exist:
            print(
                f"There is no demo in {files.root}. Nothing was deleted. SUBLET_DATA_DIR names another.",
                file=sys.stderr,
            )
            return NOT_FOUND
        files.require_own()
        with files.lock():
            if not given.yes and not _agreed(files, settings, asking=not given.json):
                return USAGE
            asyncio.run(_delete(files))
    except SubletError as error:
        print(error.detail, file=sys.stderr)
        return DENIED if isinstance(error, NotOurs) else FAILURE
    except PermissionError as error:
        print(
            f"{error.filename} belongs to somebody else. Ask the account that ran `sublet up` there to delete it.",
            file=sys.stderr,
        )
        return DENIED
    except NODE_FAILURES as error:
        print(
            f"The demo was not deleted as a whole: {error}. What is left lies in {files.root}; the same command goes "
            "on with it.",
            file=sys.stderr,
        )
        return FAILURE
    kept = [path.name for path in files.root.iterdir()] if files.root.is_dir() else []
    if given.json:
        print(json.dumps({"deleted": str(files.root), "kept": kept}, indent=2))
    else:
        print(f"The demo in {files.root} is deleted.")
        if kept:
            print(f"Kept, because `sublet up` did not make it: {', '.join(sorted(kept))}")
    return 0


def _agreed(files: DemoFiles, settings: Settings, *, asking: bool) -> bool:
    """Whether a person at a terminal says yes; without a terminal nobody can."""
    if not asking or not sys.stdin.isatty():
        print(f"Nothing was deleted. To delete the demo in {files.root} without being asked: --yes", file=sys.stderr)
        return False
    print(f"This deletes the demo in {files.root}: accounts, balances and ledger, the node with its homes, keys, logs.")
    if settings.database_url:
        print("The database at DATABASE_URL stays as it is.")
    with suppress(EOFError, KeyboardInterrupt):
        if input("It cannot be undone. Delete it? [y/N] ").strip().lower() in {"y", "yes"}:
            return True
    print("Nothing was deleted.", file=sys.stderr)
    return False


async def _delete(files: DemoFiles) -> None:
    """The node first: should that fail, the demo is still whole and can be started. Nothing when a mount is in it."""
    progress = Progress()
    await end_earlier_run(files.root, progress.say)
    require_no_mounts(files.root, on_itself=True)
    await DemoNodeHost(files.nodes, files.cache, progress).discard()
    await asyncio.to_thread(EmbeddedPostgres(files.postgres).discard, progress.say)
    await asyncio.to_thread(files.delete)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
