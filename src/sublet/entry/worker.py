"""`sublet worker`: does what is due. Run as many as you like; each piece of work is done by one of them at a time."""

import asyncio
import signal
import socket
import sys

from sublet.allocations.work import kind as allocation_work
from sublet.allocations.work import observations
from sublet.allocations.work import remnants as remnant_work
from sublet.allocations.work import resumption as resumption_work
from sublet.allocations.work import startup as startup_work
from sublet.allocations.work.pace import AllocationPace
from sublet.billing.policy import Policy
from sublet.core import tracing
from sublet.core.errors import SubletError
from sublet.core.outbox import EVENT_TYPES
from sublet.core.runtime import NotConfigured, allow_many_connections, database_of, keyring_of
from sublet.core.settings import Settings, read_settings
from sublet.core.telemetry import configure_logging, get_logger
from sublet.core.work import delivery
from sublet.core.work.declaration import AnyWork
from sublet.core.work.reconciler import Reconciler
from sublet.core.work.ticks import Tick, register, ticks
from sublet.entry.metrics import answering_metrics, listen_for_metrics
from sublet.entry.prerequisites import require_prerequisites
from sublet.entry.schedule import schedule
from sublet.entry.subscriptions import GATHERED, subscriptions
from sublet.fleet import helper_upgrades, helper_versions, revocations, trial
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.host_certificates import HostCertificates
from sublet.fleet.kinds import SSH, BackendsByKind
from sublet.fleet.observation import Observer
from sublet.fleet.pool import NodePool
from sublet.fleet.ssh_backend import SshBackend
from sublet.notifications.mail import work as mail
from sublet.notifications.mail.mailer import Mailer
from sublet.payments.auto_top_up import work as auto_top_up
from sublet.payments.cards import card, setup_work
from sublet.payments.disputes import answers
from sublet.payments.refunds import work as refund_work
from sublet.payments.stripe import inbox
from sublet.payments.stripe.processor import Processor
from sublet.payments.top_ups import checkout
from sublet.scheduling.claims import claims_on_gpu

log = get_logger(__name__)

WORKER_LOCK_SECONDS = 2.0
"""Less than a lease lasts between renewals: whoever waits longer lets others have the connection, and comes again."""


class Worker:
    """Every kind of work there is, and what they need."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = database_of(settings, lock_seconds=WORKER_LOCK_SECONDS)
        self.keyring = keyring_of(settings)
        authority = CertificateAuthority(self.database, self.keyring)
        self.pool = NodePool(self.database, authority)
        self.backend = BackendsByKind(self.database, {SSH: SshBackend(self.pool)})
        self.processor = Processor.from_settings(settings)
        self.mailer = Mailer.from_settings(settings)
        self.observer = Observer(self.database, self.backend, settings)
        self.certificates = HostCertificates(self.database, self.backend, authority, settings)
        self.policy = policy = Policy.of(settings)
        on_observed = observations.handler(
            self.database, policy=policy, release_lost_seconds=settings.release_lost_seconds
        )
        self.observer.on_observed.append(on_observed)
        self.observer.expected = observations.expected_on
        self.observer.claims_on = claims_on_gpu
        self.ticks: list[Tick] = schedule(self.database, settings, policy, self.observer, self.processor)

    def works(self) -> list[AnyWork]:
        """Each kind of work, declared by its domain."""
        pace = AllocationPace.of(self.settings)
        return [
            allocation_work.work(self.backend, self.keyring, pace=pace),
            startup_work.work(self.backend, self.keyring, pace=pace),
            remnant_work.work(self.backend, pace=pace),
            resumption_work.work(pace=pace),
            self.observer.work(),
            self.certificates.work(),
            revocations.work(self.backend),
            trial.work(self.backend),
            helper_upgrades.work(self.backend),
            checkout.work(self.database, self.processor),
            refund_work.work(self.database, self.processor),
            answers.work(self.database, self.processor),
            inbox.work(self.database, self.processor),
            setup_work.work(self.database, self.processor),
            card.work(self.processor),
            auto_top_up.work(self.processor, policy=self.policy, public_url=self.settings.public_url),
            mail.work(self.mailer),
            mail.verifying(self.mailer),
            *delivery.deliveries(subscriptions(self.policy), EVENT_TYPES, gatherers=GATHERED),
            ticks(self.ticks),
        ]

    async def run(self) -> None:
        """Work until SIGTERM or Ctrl-C; what is under way is finished or given back."""
        await require_prerequisites(self.database, self.settings)
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await register(self.database, self.ticks)
        async with self.database.transaction() as session:
            await delivery.register(session)
            await helper_versions.judge(session)
        reconciler = Reconciler(
            self.database,
            self.works(),
            lease_seconds=self.settings.lease_seconds,
            sweep_seconds=self.settings.sweep_interval_seconds,
        )
        working, stop = asyncio.create_task(reconciler.run()), asyncio.create_task(stopping.wait())
        if self.mailer is None:
            log.warning("mail.not_set_up", fix="set SUBLET_SMTP_HOST, or leave it: notices are in the inboxes alone")
        log.info("worker.started", works=len(reconciler.works))
        await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
        failed = working.done()
        working.cancel()
        stop.cancel()
        await asyncio.gather(working, stop, return_exceptions=True)
        await self.close()
        if failed:
            working.result()  # it never ends by itself: say why it did, and let the supervisor start again
        log.info("worker.stopped")

    async def close(self) -> None:
        """Close connections to nodes, processor and database."""
        await self.pool.close()
        await self.processor.close()
        await self.database.close()


async def _work(worker: Worker, listener: socket.socket | None) -> None:
    async with answering_metrics(listener):
        await worker.run()


def main(_arguments: list[str] | None = None) -> int:
    """Run one worker."""
    try:
        allow_many_connections()
        settings = read_settings()
        configure_logging(log_format=settings.log_format, level=settings.log_level)
        tracing.configure_tracing("worker", settings.otlp_endpoint, ratio=settings.trace_ratio)
        worker = Worker(settings)
        listener = listen_for_metrics(settings.metrics_listen)
    except SubletError as error:
        print(error.detail, file=sys.stderr)
        return 1
    try:
        asyncio.run(_work(worker, listener))
    except NotConfigured as error:
        print(error.detail, file=sys.stderr)
        return 1
    finally:
        tracing.stop_tracing()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
