"""Scripts that run with an account's rights."""

import subprocess
import sys

RUNS_ONE = """
import os, signal
from sublet.core.linux_accounts import run_as
signal.signal(signal.SIGINT, lambda *_: print("told", flush=True))
done = run_as(None, 'kill -s INT -- "-$1"; echo through', str(os.getpgrp()))
print(done.stdout, done.returncode)
"""


class TestRunAs:
    def test_is_not_ended_by_what_is_said_to_the_group_of_whoever_called(self) -> None:
        ran = subprocess.run(
            [sys.executable, "-c", RUNS_ONE], capture_output=True, text=True, check=False, start_new_session=True
        )
        assert ran.stdout.split() == ["told", "through", "0"], ran.stderr
