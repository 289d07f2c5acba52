"""Fixtures that every test may use; each comes from a module of `tests/support`."""

import os
import resource
import signal
import sys
from collections.abc import Generator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

pytest_plugins = [
    "tests.support.database",
    "tests.support.clock",
    "tests.support.app",
    "tests.support.browser",
    "tests.support.demo",
]


def pytest_configure() -> None:
    """Both packages are installed, Ctrl-C reaches what we start, and there may be as many connections as the user may
    have, whatever the shell left.

    A shell without job control starts background commands with SIGINT ignored, and children inherit that.
    """
    if find_spec("sublet_sandbox") is None:
        pytest.exit("The package in sandbox/ is not installed here. Run: make install", 4)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Where no test uses Hypothesis, let its plugin go: to say nothing at the end it would load all of Hypothesis."""
    manager = session.config.pluginmanager
    if "hypothesis" not in sys.modules and manager.has_plugin("hypothesispytest"):
        manager.unregister(name="hypothesispytest")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Sublet runs on asyncio."""
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is required, a lane that would skip fails, whoever asked for the skip."""
    report = yield
    if report.skipped and os.environ.get("SUBLET_TEST_REQUIRE_ALL"):
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"SUBLET_TEST_REQUIRE_ALL is set, but {item.nodeid} would skip: {reason}"
    return report


DEMOS = (
    "journeys",
    "supervisor/test_demo_delete",
    "supervisor/test_interrupted",
    "supervisor/test_up_ends",
    "faults/test_processes",
)
NODES = ("faults/test_ill_nodes", "node", "sandbox/nodes", "fleet/test_real_node", "allocations/test_real_node")
"""Tests that start a whole demo, with browsers, and tests of nodes alone: each kind shares what is dear to start. The
two may run side by side only where browsers have a network of their own, which root alone can give them: a node's
network coming and going makes Chromium abort requests."""


def group_of(nodeid: str) -> str:
    """Which tests one process runs in a row: all of a kind that shares its machines, or those of a file."""
    path = nodeid.partition("::")[0]
    place = path.removeprefix("tests/")
    if place.startswith(DEMOS):
        return "demos"
    if place.startswith(NODES):
        return "nodes" if os.geteuid() == 0 else "demos"
    return path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadScopeScheduling":
    """Hands out groups of tests to several processes, the largest first."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only where there are several processes

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Grouped(config, log)
