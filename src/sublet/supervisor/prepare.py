"""Brings the database to what a start needs: this release's schema, a role that may log in, the demo's operator.

A process of its own, so that the supervisor stays small and starts at once.
"""

import argparse
import asyncio
import sys
from functools import partial
from pathlib import Path

import psycopg
from sqlalchemy.exc import DBAPIError

from sublet.core.db import APPLICATION_ROLE, Database
from sublet.core.errors import SubletError
from sublet.core.runtime import NotConfigured, database_of, require_address, why_unusable
from sublet.core.settings import read_settings
from sublet.identity import users
from sublet.identity.errors import EmailTaken
from sublet.ledger.wallets import open_wallet
from sublet.migrations.run import migrate
from sublet.supervisor.info import CURRENCY, DemoAccount, DemoInfo

ROLES = frozenset({"admin", "fleet", "finance", "support"})


SECOND_ROLES = frozenset({"finance"})
"""Of whoever has to agree to what takes two."""


async def create_operator(database: Database, account: DemoAccount, *, name: str, roles: frozenset[str]) -> None:
    """Make the account unless an earlier run got that far."""
    try:
        async with database.transaction() as session:
            await users.create_operator(
                session,
                email=account.email,
                password=account.password,
                name=name,
                platform_roles=roles,
                on_signup=[partial(open_wallet, currency=CURRENCY)],
            )
    except EmailTaken:
        return
    finally:
        await database.close()


def allow_login(owner_url: str) -> None:
    """Let the application's role log in to a database of ours: its socket's directory is what keeps others out."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {APPLICATION_ROLE} LOGIN")


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked; 1 with the reason when it could not be done."""
    parser = argparse.ArgumentParser(prog="sublet.supervisor.prepare")
    parser.add_argument("--allow-login", action="store_true", help="the database is our own embedded one")
    parser.add_argument("--operator-of", type=Path, help="data directory of the demo whose operator is made")
    given = parser.parse_args(arguments)
    try:
        settings = read_settings()
        if settings.owner_url is None:
            raise NotConfigured("DATABASE_URL is not set. Nothing was changed. Set it to the database to prepare.")
        for variable, url in (
            ("DATABASE_URL", settings.database_url),
            ("DATABASE_OWNER_URL", settings.database_owner_url),
        ):
            if url is not None:
                require_address(variable, url)
        migrate(settings.owner_url)
        if given.allow_login:
            allow_login(settings.owner_url)
        if given.operator_of is not None and (info := DemoInfo.load(given.operator_of)) is not None:
            operators = ((info.operator, "Demo operator", ROLES), (info.second, "Second operator", SECOND_ROLES))
            for account, name, roles in operators:
                asyncio.run(create_operator(database_of(settings), account, name=name, roles=roles))
    except SubletError as error:
        print(error.detail, file=sys.stderr)
        return 1
    except (DBAPIError, psycopg.Error) as error:
        reason = why_unusable(error)
        if reason is None:
            raise
        print(f"{reason}, then start again.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
