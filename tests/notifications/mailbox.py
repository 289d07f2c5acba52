"""A mail server of tests, the sandbox's, and a mailer that hands mail to it."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sublet.core.work.declaration import AnyWork
from sublet.core.work.pace import Pace
from sublet.core.work.reconciler import Reconciler
from sublet.notifications.mail import work as mail
from sublet.notifications.mail.mailer import Mailer
from sublet_sandbox.mailbox.folder import Folder
from sublet_sandbox.mailbox.receiver import Receiver
from tests.notifications.told import rows, run
from tests.support.app import Web
from tests.support.waiting import until_async
from tests.support.work import look_at

QUICK = Pace(attempts=3, shortest_seconds=0.001, longest_seconds=0.002)


@asynccontextmanager
async def mailbox(directory: Path, **options: Any) -> AsyncIterator[Receiver]:
    """A mail server on a free port of 127.0.0.1, as long as the block lasts."""
    receiver = Receiver(Folder(directory / "mail"), **options)
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()


def mailer_to(receiver: Receiver | int, **options: Any) -> Mailer:
    """A mailer that hands mail to a mail server of tests."""
    given = {
        "host": "127.0.0.1",
        "port": receiver if isinstance(receiver, int) else receiver.port,
        "security": "none",
        "sender": "sublet@platform.test",
        "sender_name": "Sublet",
        "public_url": "https://sublet.test/",
        **options,
    }
    return Mailer(**given)


def worker(web: Web, mailer: Mailer | None) -> Reconciler:
    """A worker that only mails, and does not wait long between attempts."""
    works: list[AnyWork] = [mail.work(mailer), mail.verifying(mailer)]
    return Reconciler(web.database, [replace(one, pace=QUICK) for one in works])


async def post(web: Web, mailer: Mailer | None, kind: str) -> int:
    """Look at every mail of a kind that is due, once; how many."""
    due = await rows(web, "SELECT id FROM work WHERE kind = :kind AND set_aside_at IS NULL", kind=kind)
    one = worker(web, mailer)
    for row in due:

        async def done(row_id: str = row.id) -> bool:
            return await look_at(one, kind, row_id)

        await until_async("a mail is due", done)
    return len(due)


async def verify(web: Web, *user_ids: str) -> None:
    """These people have shown that their addresses are theirs."""
    for user_id in user_ids:
        await run(web, "UPDATE user_account SET verified_email = email, verified_at = now() WHERE id = :id", id=user_id)


def certified(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a mail server on 127.0.0.1 shows, and what believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server of tests")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = directory / "mail.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    shows = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shows.load_cert_chain(chain)
    return shows, ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())
