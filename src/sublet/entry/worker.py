"""`sublet worker`: does what is due. Run as many as you like; each piece of work is done by one of them at a time."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

from sublet.allocations import observed
from sublet.allocations import retries as allocation_retries
from sublet.allocations import sweep as allocation_sweep
from sublet.allocations.reconcile import reconcile as reconcile_allocation
from sublet.approvals import approvals
from sublet.billing.policy import Policy
from sublet.core import retention, tracing
from sublet.core.errors import SubletError
from sublet.core.jobs import job_app, register_poke
from sublet.core.runtime import allow_many_connections, database_of, keyring_of
from sublet.core.settings import Settings, read_settings
from sublet.core.telemetry import configure_logging, get_logger
from sublet.entry.dispatch import run_dispatch
from sublet.entry.money import money_tasks
from sublet.entry.schedule import Periodic, run_periodically
from sublet.entry.subscriptions import SUBSCRIPTIONS
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.host_certificates import HostCertificates
from sublet.fleet.kinds import SSH, BackendsByKind
from sublet.fleet.observation import Observer
from sublet.fleet.pool import NodePool
from sublet.fleet.ssh_backend import SshBackend
from sublet.identity import retention as identity_retention
from sublet.payments import checkout, inbox
from sublet.payments.processor import Processor

log = get_logger(__name__)

CONCURRENT_POKES = 20
STOP_SECONDS = 5.0
HOUR = 3600.0


class Worker:
    """Answers pokes, sweeps for due work, observes nodes, meters, settles, and delivers events to handlers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = database_of(settings)
        authority = CertificateAuthority(self.database, keyring_of(settings))
        self.pool = NodePool(self.database, authority)
        self.backend = BackendsByKind(self.database, {SSH: SshBackend(self.pool)})
        self.processor = Processor.from_settings(settings)
        self.observer = Observer(self.database, self.backend, settings)
        self.certificates = HostCertificates(self.database, self.backend, authority, settings)
        self.policy = Policy.of(settings)
        self.pace = allocation_retries.Pace.of(settings)
        self.observer.on_observed.append(observed.handler(self.database, policy=self.policy))
        self.observer.expected = observed.expected_on

    async def run(self) -> None:
        """Work until SIGTERM or Ctrl-C; what is under way is finished or left to its lease."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        app = job_app(self.database)
        register_poke(app, self._handlers())
        async with app.open_async():
            tasks = [
                asyncio.create_task(self._answer_pokes(app)),
                asyncio.create_task(run_dispatch(self.database, "domains", SUBSCRIPTIONS)),
                *(asyncio.create_task(run_periodically(self.database, item)) for item in self._periodic()),
            ]
            log.info("worker.started", tasks=len(tasks))
            stop = asyncio.create_task(stopping.wait())
            done, _ = await asyncio.wait({stop, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in (*tasks, stop):
                task.cancel()
            await asyncio.wait({*tasks, stop}, timeout=STOP_SECONDS)
            for task in done - {stop}:
                task.result()  # a part that ended by itself is a fault: say so and let the supervisor start again
        await self.close()
        log.info("worker.stopped")

    async def close(self) -> None:
        """Close connections to nodes, processor and database."""
        await self.observer.stop()
        await self.certificates.stop()
        await self.pool.close()
        await self.processor.close()
        await self.database.close()

    async def _answer_pokes(self, app: "object") -> None:
        await app.run_worker_async(  # type: ignore[attr-defined]  # procrastinate's App, whose options are untyped
            queues=["pokes"],
            concurrency=CONCURRENT_POKES,
            install_signal_handlers=False,
            fetch_job_polling_interval=1.0,
            shutdown_graceful_timeout=STOP_SECONDS,
            delete_jobs="always",
            listen_notify=True,
        )

    def _handlers(self) -> dict[str, Callable[[str], Awaitable[None]]]:
        async def allocation(row_id: str) -> None:
            await reconcile_allocation(self.database, self.backend, row_id, pace=self.pace)

        async def node(row_id: str) -> None:
            await self.observer.look_at(row_id)

        async def stripe_event(row_id: str) -> None:
            await inbox.process(self.database, self.processor, row_id)

        async def top_up(row_id: str) -> None:
            await checkout.look_at(self.database, self.processor, row_id)

        return {"allocation": allocation, "node": node, "stripe_event": stripe_event, "top_up": top_up}

    def _periodic(self) -> list[Periodic]:
        sweep = self.settings.sweep_interval_seconds

        async def sweep_payments() -> None:
            await inbox.process_due(self.database, self.processor)
            await checkout.process_due(self.database, self.processor)

        async def reconcile_pending() -> None:
            await checkout.reconcile_pending(self.database, self.processor)

        async def forget() -> None:
            async with self.database.transaction() as session:
                await retention.forget_old_keys(session)
                await identity_retention.sweep(session)

        async def expire_approvals() -> None:
            async with self.database.transaction() as session:
                await approvals.expire_due(session)

        async def sweep_allocations() -> None:
            await allocation_sweep.poke_due(self.database)

        return [
            Periodic("sweep allocations", sweep, sweep_allocations),
            Periodic("observe nodes", 0.5, self.observer.tick),
            Periodic("push trust to nodes", 2.0, self.certificates.tick),
            Periodic("sweep payments", sweep, sweep_payments),
            Periodic("reconcile pending top-ups", 60.0, reconcile_pending),
            Periodic("expire approvals", 60.0, expire_approvals),
            Periodic("forget what has expired", HOUR, forget),
            *money_tasks(self.database, self.settings, self.policy),
        ]


def main(_arguments: list[str] | None = None) -> int:
    """Run one worker."""
    try:
        allow_many_connections()
        settings = read_settings()
        configure_logging(log_format=settings.log_format, level=settings.log_level)
        tracing.configure_tracing("worker", settings.otlp_endpoint, ratio=settings.trace_ratio)
        worker = Worker(settings)
    except SubletError as error:
        print(error.detail, file=sys.stderr)
        return 1
    try:
        asyncio.run(worker.run())
    finally:
        tracing.stop_tracing()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
