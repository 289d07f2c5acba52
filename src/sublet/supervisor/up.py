"""`sublet up`: the whole of Sublet on one machine, under one supervisor, with a demo node and a card sandbox."""

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from sublet.core.errors import SubletError
from sublet.core.settings import Settings, read_settings
from sublet.supervisor.database_process import DatabaseProcess, withhold_addresses
from sublet.supervisor.files import DemoFiles
from sublet.supervisor.info import CREDIT_BUDGET, CURRENCY, REFUND_ALONE_UP_TO, TIME_ZONE, DemoInfo
from sublet.supervisor.local_node import DemoNodeHost, NodeChoice
from sublet.supervisor.processes import MARK, ChildProcess, end_earlier_run
from sublet.supervisor.progress import Progress
from sublet.supervisor.restarts import keep
from sublet.supervisor.seed import Seed, known_accounts

READY_SECONDS = 90.0


class PortTaken(SubletError):
    """Another program listens where Sublet should."""

    code = "port_taken"


def require_free_port(host: str, port: int) -> None:
    """PortTaken unless the port can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            other = port + 1000 if port + 1000 < 65536 else port - 1000
            raise PortTaken(
                f"Port {port} on {host} cannot be used ({error.strerror}). Nothing was started. Stop the program that "
                f"uses it, or choose another: SUBLET_PORT={other} make up"
            ) from error


def usual_port(earlier: str) -> int:
    """The port of an address on loopback if nobody uses it just now, else one that nobody uses."""
    wanted = earlier.rpartition(":")[2]
    for port in (int(wanted) if wanted.isdigit() else 0, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            found: int = probe.getsockname()[1]
            return found
    raise PortTaken("No port on 127.0.0.1 is free. Nothing was started. Stop some programs that listen there.")


async def wait_ready(url: str, process: ChildProcess) -> None:
    """Wait until an URL answers 200; ProcessFailed if the process ends first or takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    async with httpx.AsyncClient(timeout=2) as client:
        while time.monotonic() < deadline:
            if process.pid is None:
                raise process.failure("ended while starting")
            with suppress(httpx.HTTPError):
                if (await client.get(url)).status_code == 200:
                    return
            await asyncio.sleep(0.03)
    raise process.failure(f"was not ready within {READY_SECONDS:.0f} s")


class Supervisor:
    """Starts the parts side by side, keeps them running, and leaves nothing behind."""

    def __init__(self, settings: Settings, *, node: NodeChoice, with_seed: bool, progress: Progress) -> None:
        self.settings = settings
        self.files = DemoFiles(settings.data_directory.absolute())
        self.with_seed = with_seed
        self.progress = progress
        self.url = f"http://127.0.0.1:{settings.port}"
        self.stopping = asyncio.Event()
        self._database = DatabaseProcess(settings, self.files, progress)
        self._node = DemoNodeHost(self.files.nodes, self.files.cache, progress, wanted=node)
        self._processes: list[ChildProcess] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._signals = 0
        self._smtp_port = 0

    async def run(self) -> int:
        """Run until a signal; 0 after a clean stop. What fails while it starts is raised, and all is stopped; a part
        that ends later is begun again, or given up by itself."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._signalled)
        self.files.prepare()
        with self.files.lock():
            reporting = asyncio.create_task(self.progress.report())
            starting = asyncio.create_task(self._start())
            stop = asyncio.create_task(self.stopping.wait())
            try:
                await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    await starting
                    await stop
            finally:
                self.stopping.set()
                self.progress.say("Stopping")
                stop.cancel()
                starting.cancel()
                await asyncio.gather(starting, stop, return_exceptions=True)
                await self._stop()
                reporting.cancel()
                await asyncio.gather(reporting, return_exceptions=True)
        self.progress.say(f"Stopped. The data stays in {self.files.root}")
        return 0

    def _signalled(self) -> None:
        """The first signal stops in good order; the second does not wait for anything but the node's removal."""
        self._signals += 1
        if self._signals > 1 and self.stopping.is_set():
            self.progress.say("Stopping at once")
            self._database.hurry()
            for process in self._processes:
                process.kill()
        self.stopping.set()

    def _background(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    async def _start(self) -> None:
        await end_earlier_run(self.files.root, self.progress.say)
        require_free_port(self.settings.host, self.settings.port)
        earlier = DemoInfo.load(self.files.root)
        sandbox_url = f"http://127.0.0.1:{usual_port(earlier.sandbox if earlier else '')}"
        self._smtp_port = usual_port("")
        info = known_accounts(self.files, self.url, sandbox_url) if self.with_seed else None
        environment = self._environment(sandbox_url)
        working = {**environment, **self._database.environment}
        web = self._process("web", "sublet.entry.serve", environment=working)
        worker = self._process("worker", "sublet.entry.worker", environment=working)
        sandbox = self._process(
            "sandbox", "sublet_sandbox.stripe.__main__", *self._sandbox_arguments(sandbox_url), environment=environment
        )
        # Loading takes the processes longest, and the database comes up meanwhile; so does the node.
        for process in (web, worker, sandbox):
            await process.load()
        node_starting = self._background(self._node.start())
        await self._database.start()
        await self._prepare({**environment, **self._database.owner_environment})
        for process in (sandbox, web, worker):
            await process.begin()
            self._background(keep(process, self.progress.say, self.stopping))
        self._background(self._database.keep())
        with self.progress.step("starting web, worker and card sandbox"):
            await wait_ready(f"{self.url}/readyz", web)
        self.progress.say("Web, worker and card sandbox run")
        await self._look_for_console()
        if info is None:
            await node_starting
            self.progress.say(f"Sublet is ready at {self.url}")
            return
        seed = Seed(self.files, info, self._node, self.progress)
        info = await seed.run(node_starting)
        self.progress.say("Sublet is ready")
        problems = "".join(f"\n  Problem    {problem}\n" for problem in seed.problems)
        self.progress.write(f"{info.text()}{problems}\n")

    def _environment(self, sandbox_url: str) -> dict[str, str]:
        key = self.files.secret("stripe-api-key", "sk_test_")
        webhook_secret = self.files.secret("stripe-webhook-secret", "whsec_")
        encryption = {}
        if self._database.embedded and self.settings.key_file is None:
            encryption = {"SUBLET_KEY_FILE": f"file:{self.files.encryption_key()}"}
        return {
            **encryption,
            MARK: str(self.files.root),
            "SUBLET_DATA_DIR": str(self.files.root),
            "SUBLET_PORT": str(self.settings.port),
            "SUBLET_PUBLIC_URL": self.url,
            "SUBLET_CURRENCY": CURRENCY,
            "SUBLET_TIME_ZONE": self.settings.time_zone or TIME_ZONE,
            "SUBLET_REFUND_ALONE_UP_TO": REFUND_ALONE_UP_TO,
            "SUBLET_CREDIT_BUDGET": CREDIT_BUDGET,
            "SUBLET_ALLOWED_ORIGINS": f"http://localhost:{self.settings.port}",
            "SUBLET_STRIPE_API_BASE": sandbox_url,
            "SUBLET_STRIPE_API_KEY": f"file:{key}",
            "SUBLET_STRIPE_WEBHOOK_SECRET": f"file:{webhook_secret}",
            # Whatever the settings say: nothing that a demo tells anybody leaves this machine.
            "SUBLET_SMTP_HOST": "127.0.0.1",
            "SUBLET_SMTP_PORT": str(self._smtp_port),
            "SUBLET_SMTP_SECURITY": "none",
            "SUBLET_MAIL_FROM": "sublet@demo.test",
        }

    def _sandbox_arguments(self, sandbox_url: str) -> Sequence[str]:
        return (
            *("--port", sandbox_url.rpartition(":")[2]),
            *("--data", str(self.files.sandbox)),
            *("--api-key-file", str(self.files.keys / "stripe-api-key")),
            *("--webhook-secret-file", str(self.files.keys / "stripe-webhook-secret")),
            *("--smtp-port", str(self._smtp_port), "--mailbox", str(self.files.mailbox)),
            *("--webhook-url", f"{self.url}/api/v1/payments/stripe/webhook"),
        )

    async def _prepare(self, environment: dict[str, str]) -> None:
        """Bring the schema and the operator into being, unless an earlier start did."""
        operator_missing = self.with_seed and not self.files.operator_token.exists()
        if not operator_missing and await self._database.is_prepared():
            return
        options = ["--allow-login"] if self._database.embedded else []
        if self.with_seed:
            options += ["--operator-of", str(self.files.root)]
        prepare = self._process("prepare", "sublet.supervisor.prepare", *options, environment=environment)
        with self.progress.step("preparing the database"):
            await prepare.start()
            if await prepare.ended() != 0:
                raise prepare.failure("could not bring the database to this release")
        self._processes.remove(prepare)

    async def _look_for_console(self) -> None:
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient(timeout=2) as client:
                if (await client.get(self.url)).status_code == 404:
                    self.progress.say(
                        "The console is not built: run `make console`. API and command line work without it"
                    )

    def _process(self, name: str, module: str, *arguments: str, environment: dict[str, str]) -> ChildProcess:
        process = ChildProcess(name, module, *arguments, environment=environment, log=self.files.logs / f"{name}.log")
        self._processes.append(process)
        return process

    async def _stop(self) -> None:
        """Stop everything that may have been started, the database last; nothing of it may keep the rest from it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with self.progress.step("stopping"):
            ended = await asyncio.gather(
                self._node.stop(), *(process.stop() for process in self._processes), return_exceptions=True
            )
            ended.append(*await asyncio.gather(self._database.stop(), return_exceptions=True))
        for error in ended:
            if isinstance(error, BaseException):
                self.progress.say(f"Something could not be stopped in good order: {type(error).__name__}: {error}")


def explain(error: BaseException, progress: Progress) -> None:
    """What failed, on stderr, in words: no path through the code."""
    if isinstance(error, SubletError):
        message = error.detail
    elif isinstance(error, OSError):
        message = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}. Everything was stopped."
    else:
        message = f"{type(error).__name__}: {error}. Everything was stopped; the data is as it was."
    progress.write("")
    with suppress(OSError):
        print(f"\n{message}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Parse the options, run, and explain a failure in words."""
    parser = argparse.ArgumentParser(prog="sublet up", description="Run Sublet on this machine with a demo.")
    parser.add_argument(
        "--node",
        choices=("systemd", "namespace", "none"),
        default="best",
        help="the demo node: with a systemd of its own and enforced limits (needs root), of user namespaces (limits "
        "not enforced), or none; the default is the best that can run here",
    )
    parser.add_argument("--no-demo", action="store_true", help="neither node nor seed data")
    parser.add_argument("--data-dir", type=Path, help="where data lies (default: SUBLET_DATA_DIR)")
    parser.add_argument("--port", type=int, help="port of the console and API (default: SUBLET_PORT or 8000)")
    given = parser.parse_args(arguments)
    if given.data_dir is not None:
        os.environ["SUBLET_DATA_DIR"] = str(given.data_dir)
    if given.port is not None:
        os.environ["SUBLET_PORT"] = str(given.port)
    progress = Progress()
    try:
        settings = read_settings()
        withhold_addresses(os.environ)
        supervisor = Supervisor(
            settings,
            node="none" if given.no_demo else given.node,
            with_seed=not given.no_demo,
            progress=progress,
        )
        return asyncio.run(supervisor.run())
    except Exception as error:
        explain(error, progress)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
