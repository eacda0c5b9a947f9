"""Runs the migrations on the connection that `engine.storage.database` opened."""

from alembic import context

from engine.storage.database import VERSION_TABLE
from engine.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
