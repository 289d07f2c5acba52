"""`sublet migrate`: bring the database to the schema of this release."""

import sys

import psycopg
from sqlalchemy.exc import DBAPIError

from sublet.core.errors import SubletError
from sublet.core.runtime import NotConfigured, require_address, why_unusable
from sublet.core.settings import read_settings
from sublet.migrations.run import migrate


def main(_arguments: list[str] | None = None) -> int:
    """Migrate, and say from where to where; 1 with the reason when it could not."""
    try:
        settings = read_settings()
        if settings.owner_url is None:
            raise NotConfigured("DATABASE_URL is not set. Nothing was changed. Set it to the database to migrate.")
        require_address("DATABASE_OWNER_URL" if settings.database_owner_url else "DATABASE_URL", settings.owner_url)
        before, after = migrate(settings.owner_url)
    except SubletError as error:
        print(error.detail, file=sys.stderr)
        return 1
    except (DBAPIError, psycopg.Error) as error:
        reason = why_unusable(error)
        if reason is None:
            raise
        print(f"{reason}, then run `sublet migrate` again.", file=sys.stderr)
        return 1
    print(f"Schema {after} is in place." if before == after else f"Migrated from {before or 'nothing'} to {after}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
