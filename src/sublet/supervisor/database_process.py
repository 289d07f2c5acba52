"""The database of `sublet up`: the embedded server, watched and started again, or the one that DATABASE_URL names."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
from pydantic import AliasChoices

import sublet
from sublet.core.settings import Settings
from sublet.supervisor.embedded_postgres import APP_ROLE, EmbeddedPostgres, EmbeddedPostgresError
from sublet.supervisor.files import DemoFiles
from sublet.supervisor.progress import Progress
from sublet.supervisor.restarts import PACE, RestartPace

WATCH_SECONDS = 0.1
_EXPECTED_FAILURES = 2
VERSIONS = Path(sublet.__file__).parent / "migrations" / "versions"


def withhold_addresses(environment: MutableMapping[str, str]) -> None:
    """Take every database address out of an environment: a child has one only when it is given one."""
    fields = (Settings.model_fields["database_url"], Settings.model_fields["database_owner_url"])
    aliases = [alias for field in fields if isinstance(alias := field.validation_alias, AliasChoices)]
    names = {str(name).upper() for alias in aliases for name in alias.choices}
    for name in [name for name in environment if name.upper() in names]:
        del environment[name]


class DatabaseProcess:
    """Starts, watches and stops the embedded server; with DATABASE_URL there is nothing to start."""

    def __init__(self, settings: Settings, files: DemoFiles, progress: Progress) -> None:
        self._progress = progress
        self._given = (settings.database_url, settings.owner_url)
        self._server = None if settings.database_url is not None else EmbeddedPostgres(files.postgres)
        # One thread for as long as we live: the server is to end with the thread that started it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")

    @property
    def embedded(self) -> bool:
        """Whether the server is ours."""
        return self._server is not None

    @property
    def environment(self) -> dict[str, str]:
        """How web and worker reach it, as the application's role; known before it runs."""
        app = self._server.app_url if self._server else self._given[0]
        assert app is not None  # without a server of ours, an address was given
        return {"DATABASE_URL": app}

    @property
    def owner_environment(self) -> dict[str, str]:
        """How it is prepared: the owner's address too, which no process that stays is given."""
        owner = self._server.owner_url if self._server else self._given[1]
        return {**self.environment, "DATABASE_OWNER_URL": owner or self.environment["DATABASE_URL"]}

    async def start(self) -> None:
        """Return when it takes connections; EmbeddedPostgresError says why it cannot."""
        if self._server is None:
            self._progress.say("Using the database of DATABASE_URL")
            return
        with self._progress.step("starting the database"):
            await self._do(lambda server: server.start(self._progress.say))
        self._progress.say("The database runs")

    async def is_prepared(self) -> bool:
        """Whether the database has this release's schema and lets us in; asked without loading what migrates it."""
        head = max(path.stem for path in VERSIONS.glob("[0-9]*.py"))  # files are named after their revisions
        url = self.owner_environment["DATABASE_OWNER_URL"]

        def ask() -> bool:
            with suppress(psycopg.Error), psycopg.connect(url, connect_timeout=5) as connection:
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
                if row is None or row[0] != head:
                    return False
                role = connection.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", (APP_ROLE,)).fetchone()
                # Who logs in to a database that was given is not ours to say.
                return not self.embedded or role == (True,)
            return False

        return await asyncio.to_thread(ask)

    async def keep(self, *, pace: RestartPace = PACE) -> None:
        """Start the server again when it ends, after pauses that grow: it is never given up, for nothing works without
        it, and what keeps it down (a full disk, say) may pass."""
        server = self._server
        if server is None:
            return
        short_lives, began = 0, time.monotonic()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if server.pid is not None:
                continue
            short_lives = 1 if time.monotonic() - began >= pace.long_life_seconds else short_lives + 1
            pause = pace.pause(short_lives)
            self._progress.say(f"The database ended; starting it again in {pause:.1f} s")
            await asyncio.sleep(pause)
            began = time.monotonic()
            try:
                await self._do(lambda server: server.start(self._progress.say))
                self._progress.say("The database runs again")
            except (EmbeddedPostgresError, OSError) as error:
                # The first attempts may meet processes of the old server, which are still on their way out.
                if short_lives > _EXPECTED_FAILURES:
                    self._progress.say(f"The database does not start: {error}")

    def hurry(self) -> None:
        """Let a stop that is under way be immediate; PostgreSQL recovers at the next start."""
        if self._server is not None and (pid := self._server.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)

    async def stop(self) -> None:
        """Stop what was started, also when that was not finished."""
        if self._server is not None:
            await self._do(lambda server: server.stop())
        self._thread.shutdown(wait=False)

    async def _do(self, work: Callable[[EmbeddedPostgres], None]) -> None:
        assert self._server is not None  # nobody asks for work on a server that was given
        await asyncio.get_running_loop().run_in_executor(self._thread, work, self._server)
