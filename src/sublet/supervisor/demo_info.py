"""`sublet demo info`: where the demo of this data directory is, how to get in, and whether it runs."""

import argparse
import json
import sys
from dataclasses import asdict

from sublet.core.errors import SubletError
from sublet.core.settings import read_settings
from sublet.supervisor.info import DemoInfo, is_running

NOT_FOUND = 3
DENIED = 4


def main(arguments: list[str] | None = None) -> int:
    """Print what the last `sublet up` made, for people or with --json for programs."""
    parser = argparse.ArgumentParser(prog="sublet demo info", description="Where the demo is, and how to get in.")
    parser.add_argument("--json", action="store_true", help="for programs")
    given = parser.parse_args(arguments)
    try:
        directory = read_settings().data_directory.absolute()
        info = DemoInfo.load(directory)
    except SubletError as error:
        print(error.detail, file=sys.stderr)
        return 1
    except PermissionError as error:
        print(
            f"{error.filename} belongs to somebody else. Ask the account that ran `sublet up` there.", file=sys.stderr
        )
        return DENIED
    if info is None:
        print(
            f"No demo has run with the data directory {directory}. Start one with `sublet up`, or set SUBLET_DATA_DIR.",
            file=sys.stderr,
        )
        return NOT_FOUND
    running = is_running(directory)
    print(json.dumps({"running": running, **asdict(info)}, indent=2) if given.json else info.text(running=running))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
