"""A running `sublet up`: every process, a real node and the card sandbox, as a newcomer gets them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sublet.supervisor.info import DemoInfo
from tests.support.leftovers import leftovers
from tests.support.nodes import CACHE
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 150.0
STOP_SECONDS = 60.0
NO_DEMO = 3
SUBLET = str(Path(sys.executable).parent / "sublet")


@dataclass
class Demo:
    """A demo that runs: what it printed, where it is, and its supervisor."""

    info: DemoInfo
    directory: Path
    process: subprocess.Popen[str]
    ready_seconds: float

    @property
    def environment(self) -> dict[str, str]:
        """For the command line as the demo's customer."""
        return {**os.environ, "SUBLET_URL": self.info.url, "SUBLET_TOKEN_FILE": self.info.customer.token_file}

    def sublet(self, *arguments: str, operator: bool = False, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command line as the customer, or as the operator."""
        environment = self.environment
        if operator:
            environment["SUBLET_TOKEN_FILE"] = self.info.operator.token_file
        done = subprocess.run(
            [SUBLET, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        if check:
            assert done.returncode == 0, f"sublet {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done


@contextmanager
def running_demo(directory: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[Demo]:
    """Start `sublet up` on a data directory, and stop it with Ctrl-C at the end."""
    port = free_port()
    started = time.monotonic()
    output = directory / "up.out"
    directory.mkdir(parents=True, exist_ok=True)
    with output.open("w+") as sink:
        process = subprocess.Popen(
            [SUBLET, "up", "--data-dir", str(directory), "--port", str(port), *options],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        try:
            while "Sublet is ready" not in (printed := output.read_text()):
                assert process.poll() is None, f"sublet up ended with {process.returncode}:\n{printed}"
                assert time.monotonic() < started + READY_SECONDS, f"sublet up was not ready:\n{printed}"
                time.sleep(0.05)
            info = DemoInfo.load(directory)
            assert info is not None
            yield Demo(info, directory, process, time.monotonic() - started)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
    assert leftovers(directory, port=port) == []


def new_data_directory() -> Path:
    """A fresh data directory that the database's account can enter; the node's root filesystem is kept between runs."""
    directory = Path(tempfile.mkdtemp(prefix="sublet-demo-"))
    directory.chmod(0o711)
    CACHE.mkdir(parents=True, exist_ok=True)
    (directory / "cache").symlink_to(CACHE)
    return directory


def remove_data(directory: Path) -> None:
    """Remove a data directory as its user would: `sublet demo delete` first, because what the node keeps belongs to ids
    that only the node's root can remove; then what the test itself put there, and the output beside it."""
    delete = [sys.executable, "-m", "sublet.supervisor.demo_delete", "--yes"]
    done = subprocess.run(
        delete, env={**os.environ, "SUBLET_DATA_DIR": str(directory)}, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, NO_DEMO}, done.stderr
    if directory.exists():
        shutil.rmtree(directory)
    directory.with_name(f"{directory.name}.out").unlink(missing_ok=True)


@contextmanager
def demo_with_node(
    *options: str, environment: dict[str, str] | None = None, logs_in: str = "demo-logs"
) -> Iterator[Demo]:
    """A demo on a fresh data directory, with a node: skips, saying why, where the machine can run none, or fails with
    SUBLET_TEST_REQUIRE_ALL=1. Its logs are kept beside the other artefacts."""
    directory = new_data_directory()
    try:
        with running_demo(directory, *options, environment=environment) as running:
            if running.info.node.problem:
                message = f"the demo has no node: {running.info.node.problem}"
                if os.environ.get("SUBLET_TEST_REQUIRE_ALL"):
                    pytest.fail(message)
                pytest.skip(message)
            yield running
    finally:
        logs = ROOT / "artifacts" / logs_in
        shutil.rmtree(logs, ignore_errors=True)
        if (directory / "logs").exists():
            shutil.copytree(directory / "logs", logs)
        remove_data(directory)


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """One demo for all journeys of a run."""
    with demo_with_node() as running:
        yield running


def load_json(text: str) -> dict[str, object]:
    """A JSON object that a command printed."""
    value = json.loads(text)
    assert isinstance(value, dict)
    return value
