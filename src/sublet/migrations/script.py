"""Run SQL exactly as written, without looking for bind parameters in it."""

from alembic import op
from sqlalchemy import Connection


def execute_script(sql: str, *, on: Connection | None = None) -> None:
    """Execute one or many statements on a connection, the migration's own if none is named."""
    connection = op.get_bind() if on is None else on
    connection.connection.driver_connection.execute(sql)  # type: ignore[union-attr]  # psycopg's connection
