"""What every process needs before it can work: settings that hold together, the database's URL, the keyring."""

import resource

import psycopg
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from sublet.core.db import LOCK_SECONDS, Database
from sublet.core.errors import SubletError
from sublet.core.key_files import keyring_at, keyring_in
from sublet.core.keyring import Keyring
from sublet.core.own_folders import require_own
from sublet.core.settings import ENCRYPTION_KEY, Settings


def allow_many_connections() -> None:
    """Raise the soft limit on open files to the hard one: each console tab, terminal and node is a connection."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class NotConfigured(SubletError):
    """A setting that this process cannot do without is missing."""

    code = "not_configured"


def require_address(variable: str, url: str) -> None:
    """NotConfigured unless the text is the address of a database; it may hold a password and is not repeated."""
    try:
        scheme = make_url(url).drivername
    except (ArgumentError, ValueError):
        scheme = ""
    if scheme not in {"postgresql", "postgres"}:
        raise NotConfigured(
            f"{variable} is not the address of a PostgreSQL. Nothing was started. Give it as "
            "postgresql://user@host:5432/name."
        )


def why_unusable(error: DBAPIError | psycopg.Error) -> str | None:
    """What keeps us from changing the schema, and what to mend; None for anything but access to the database."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.OperationalError | InsufficientPrivilege):
        return None
    mend = "Mend that"
    if isinstance(cause, InsufficientPrivilege):
        mend = "Set DATABASE_OWNER_URL to the role that owns the database and may create roles"
    said = str(cause).strip().splitlines()[0]
    return f"The database could not be used: {said}. A step that had not finished was taken back. {mend}"


def currency_of(settings: Settings) -> str:
    """The currency that wallets are kept in; NotConfigured when none is named."""
    if settings.currency is None:
        raise NotConfigured(
            "SUBLET_CURRENCY is not set, and no currency is assumed. Nothing was started. Set it to the currency that "
            "customers pay in, for example USD; it stays the same for as long as there are wallets."
        )
    return settings.currency


def time_zone_of(settings: Settings) -> str:
    """The time zone in which the months of the books end; NotConfigured when none is named."""
    if settings.time_zone is None:
        raise NotConfigured(
            "SUBLET_TIME_ZONE is not set, and no time zone is assumed. Nothing was started. Set it to that of the "
            "legal entity whose books these are, for example Europe/Berlin or UTC: months begin and end in it, and it "
            "stays the same once there are entries."
        )
    return settings.time_zone


def database_of(settings: Settings, *, lock_seconds: float = LOCK_SECONDS) -> Database:
    """The pool on the configured database; NotConfigured when there is no DATABASE_URL."""
    if settings.database_url is None:
        raise NotConfigured(
            "DATABASE_URL is not set, and this process does not bring a database. Nothing was started. "
            "Set it to a PostgreSQL 15 or later, or use `sublet up`, which runs an embedded one."
        )
    require_address("DATABASE_URL", settings.database_url)
    return Database(settings.database_url, pool_size=settings.database_pool_size, lock_seconds=lock_seconds)


async def require_our_settings(database: Database) -> None:
    """NotConfigured unless connections have the role and the kind of transaction that we ask for."""
    if different := await database.not_in_force():
        raise NotConfigured(
            f"The database does not keep to what each connection asks for: {different}. Nothing was started. Point "
            "DATABASE_URL at a server that can be written, and at a pooler only if it passes the startup parameter "
            "`options` on."
        )


def keyring_of(settings: Settings) -> Keyring:
    """The keys that secrets are encrypted with: in the configured file, or one made under the data directory.

    NotOurs when others can change the data directory.
    """
    if settings.key_file is not None:
        return keyring_in(settings.key_file)
    settings.data_directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    require_own(settings.data_directory, by_link=True)
    return keyring_at(settings.data_directory / "keys" / ENCRYPTION_KEY)
