"""`sublet operator`: make an account with platform roles; how an installation gets its first operator."""

import argparse
import asyncio
import getpass
import sys
from functools import partial
from pathlib import Path

from sqlalchemy.exc import OperationalError

from sublet.core.errors import InvalidInput, SubletError
from sublet.core.runtime import currency_of, database_of
from sublet.core.settings import read_settings
from sublet.entry.prerequisites import require_prerequisites
from sublet.identity import users
from sublet.identity.permissions import PLATFORM_ROLES
from sublet.ledger.wallets import open_wallet


def _password(file: Path | None) -> str:
    if file is None:
        if not sys.stdin.isatty():
            raise InvalidInput("There is no terminal to ask for the password. Give --password-file.")
        return getpass.getpass("Password (at least 12 characters): ")
    try:
        return file.read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise InvalidInput(f"The password file {file} cannot be read ({error.strerror}). Nothing was made.") from error


async def _create(email: str, password: str, name: str, roles: frozenset[str]) -> None:
    settings = read_settings()
    currency = currency_of(settings)
    hook = partial(open_wallet, currency=currency)
    database = database_of(settings)
    try:
        await require_prerequisites(database, settings)
        async with database.transaction() as session:
            await users.create_operator(
                session, email=email, password=password, name=name, platform_roles=roles, on_signup=[hook]
            )
    finally:
        await database.close()


def main(arguments: list[str] | None = None) -> int:
    """Make the account; 1 with the reason when it cannot be made."""
    parser = argparse.ArgumentParser(
        prog="sublet operator",
        description="Make an account with platform roles, on the machine that has DATABASE_URL.",
    )
    parser.add_argument("email", metavar="EMAIL")
    parser.add_argument(
        "--role", action="append", choices=sorted(PLATFORM_ROLES), help="what it may do; repeatable (default: admin)"
    )
    parser.add_argument("--name", default="Operator", help="what others see (default: Operator)")
    parser.add_argument("--password-file", type=Path, help="read the password from a file instead of asking")
    given = parser.parse_args(arguments)
    roles = frozenset(given.role or ["admin"])
    try:
        asyncio.run(_create(given.email, _password(given.password_file), given.name, roles))
    except SubletError as error:
        print(error.detail, file=sys.stderr)
        return 1
    except OperationalError as error:
        said = str(error.orig).strip().splitlines()[0]
        print(f"The database could not be used: {said}. Nothing was made. Mend that, then try again.", file=sys.stderr)
        return 1
    print(f"{given.email} may sign in as operator with: {', '.join(sorted(roles))}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
