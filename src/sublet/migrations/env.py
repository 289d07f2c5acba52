"""Alembic's environment: online only, one transaction, the connection comes from `sublet.migrations.run`."""

from alembic import context

from sublet.migrations import routines

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
    if context.get_context().get_current_revision() == context.script.get_current_head():
        routines.install(connection)
