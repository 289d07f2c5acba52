"""Run SQL exactly as written, without looking for bind parameters in it."""

from alembic import op


def execute_script(sql: str) -> None:
    """Execute one or many statements on the migration's own connection."""
    op.get_bind().connection.driver_connection.execute(sql)  # type: ignore[union-attr]  # psycopg's connection
