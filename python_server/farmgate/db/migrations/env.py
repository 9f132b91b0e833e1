"""Runs migrations on the engine that `farmgate.db.migrations` hands in."""

from alembic import context
from sqlalchemy import Engine

from farmgate.db.schema import metadata

engine: Engine = context.config.attributes["engine"]
with engine.connect() as connection:
    if connection.dialect.name == "postgresql":
        # Waiting for a lock would hold up everybody who waits behind it.
        connection.exec_driver_sql("SET lock_timeout = '2s'")
        connection.exec_driver_sql("SET statement_timeout = '60s'")
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
