"""Runs a lane of tests: python -m tests.support.run [--on-debian] [pytest's options].

With SUBLET_TEST_SECOND_LOOK=1 a few failed tests are run once more, one after the other. A machine that was busy
elsewhere fails a deadline here and there; a fault fails both times. What only passed the second time is named.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.database import DEBIAN_INSTALL

ON_DEBIAN = (
    "tests/allocations",
    "tests/audit",
    "tests/billing",
    "tests/catalog",
    "tests/core",
    "tests/identity",
    "tests/invariants/test_ledger_model.py",
    "tests/invariants/test_metering_oracle.py",
    "tests/ledger",
    "tests/migrations",
    "tests/notifications",
    "tests/payments",
    "tests/scheduling",
)
"""Every domain that asks PostgreSQL runs on Debian's PostgreSQL 15 as well; nodes, browsers and sweeps run once."""

NOT_ON_DEBIAN = ("--deselect=tests/allocations/test_real_node.py",)

PARALLEL = ("-n", "3", "--dist", "loadscope")
MOST_FAILURES = 40
"""A node that many tests share fails them together; each of them has to pass on a node of its own."""
SLOWEST = ("--durations=30", "--durations-min=4")
"""A lane's time is a promise, so each ends by naming the tests that took most of it."""
SOME_FAILED = 1
LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")


def pytest(*arguments: str) -> int:
    """Run pytest in a process of its own; its exit code."""
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *arguments], check=False).returncode


def second_look(code: int) -> int:
    """Run what failed again, if that is allowed and little enough to be chance."""
    if code != SOME_FAILED or not os.environ.get("SUBLET_TEST_SECOND_LOOK") or not LAST_FAILED.exists():
        return code
    failed = sorted(json.loads(LAST_FAILED.read_text(encoding="utf-8")))
    if len(failed) > MOST_FAILURES:
        return code
    print(f"\nA second look at {len(failed)} failed tests, one after the other:", *failed, sep="\n  ", flush=True)
    return pytest("--last-failed", "--last-failed-no-failures", "none")


def main(arguments: list[str]) -> int:
    """Run the whole suite, or with --on-debian its part for PostgreSQL 15."""
    lane: tuple[str, ...] = ()
    if "--on-debian" in arguments:
        arguments.remove("--on-debian")
        if not (DEBIAN_INSTALL / "bin" / "postgres").exists():
            print("PostgreSQL 15 is missing, so its lane is skipped: apt-get install postgresql-15", file=sys.stderr)
            return 1 if os.environ.get("SUBLET_TEST_REQUIRE_ALL") else 0
        os.environ["SUBLET_TEST_POSTGRES"] = "debian"
        lane = (*ON_DEBIAN, *NOT_ON_DEBIAN)
    LAST_FAILED.unlink(missing_ok=True)
    return second_look(pytest(*PARALLEL, *SLOWEST, *arguments, *lane))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
