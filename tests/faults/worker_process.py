"""A worker as its own process, that can be killed like one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.app import Web


class WorkerProcess:
    """`sublet worker` on a test's database, with its log in a file."""

    def __init__(self, web: Web, app_url: str, log: Path, more: Mapping[str, str]) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SUBLET_")},
            "DATABASE_URL": app_url,
            "SUBLET_DATA_DIR": str(web.settings.data_directory),
            "SUBLET_PUBLIC_URL": web.url,
            "SUBLET_CURRENCY": "USD",
            "SUBLET_TIME_ZONE": "UTC",
            # A killed worker holds up the next look for a lease, and the node is to stay fresh meanwhile.
            "SUBLET_OBSERVE_INTERVAL_SECONDS": "3",
            "SUBLET_METERING_INTERVAL_SECONDS": "1",
            **more,
        }
        self.log = log
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sublet.entry.worker"], env=environment, stdout=sink, stderr=sink
            )

    @property
    def started(self) -> bool:
        """Whether it has begun to work."""
        if self._process.poll() is not None:
            raise AssertionError(f"the worker ended by itself: {self.log.read_text()[-2000:]}")
        return "worker.started" in self.log.read_text()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def thaw(self) -> None:
        """Let it go on after it was frozen; harmless when it was not."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def ended(self, seconds: float = 30) -> int:
        """Its exit status, once it has ended by itself."""
        return self._process.wait(seconds)

    def stop(self) -> None:
        """End it in good order, if it still runs."""
        if self._process.poll() is None:
            self._process.terminate()
            self.thaw()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def worker_process(
    web: Web, app_url: str, log: Path, *, environment: Mapping[str, str] | None = None
) -> Iterator[WorkerProcess]:
    """A worker that is gone at the end, however the block ends."""
    worker = WorkerProcess(web, app_url, log, environment or {})
    try:
        yield worker
    finally:
        worker.stop()
