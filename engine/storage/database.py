"""Opens the projection's database: SQLite by default, PostgreSQL by URL, migrated to our schema.

What cannot be used any more (a damaged SQLite file, the schema of a newer build) is put aside or dropped:
everything in it can be rebuilt from the journal.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError

from domain.errors import ConfigError
from domain.ports import Secrets
from engine.config import Config
from engine.storage.schema import metadata

log = logging.getLogger("engine.storage")

MIGRATIONS = Path(__file__).with_name("migrations")
VERSION_TABLE = "moondev_version"
BUSY_S = 2
CONNECT_S = 5
_NO_ADDRESS = "storage.url is no database address: write sqlite:///file or postgresql+psycopg://user@host/database"
_DAMAGED = ("not a database", "malformed")


def database_url(config: Config, data: Path, secrets: Secrets | None) -> str:
    """Address of the projections, with its password from the secrets. Raises `ConfigError` when that is missing."""
    section = config.storage
    if not section.url:
        return f"sqlite:///{data / 'projection.db'}"
    if section.password_secret is None or secrets is None:
        return section.url
    try:
        url = make_url(section.url)
    except ArgumentError:
        raise ConfigError(_NO_ADDRESS) from None
    return url.set(password=secrets.get(section.password_secret)).render_as_string(hide_password=False)


def open_database(url: str) -> Engine:
    """An engine on a migrated database. Raises `ConfigError` for a URL that means nothing here.

    Raises SQLAlchemy's `DBAPIError` while the database cannot be reached.
    """
    engine = _engine(url)
    try:
        _migrate(engine)
    except DatabaseError as error:
        file = engine.url.database
        if engine.dialect.name != "sqlite" or not file or not any(word in str(error.orig) for word in _DAMAGED):
            raise
        engine.dispose()
        log.error("the projection %s is damaged (%s): put aside as %s.damaged", file, error.orig, file)  # noqa: TRY400
        _put_aside(Path(file))
        _migrate(engine)
    return engine


def read_only(url: str) -> Engine | None:
    """An engine that changes nothing, not even the schema; None when there is no SQLite file yet.

    Raises `ConfigError` for a URL that means nothing here.
    """
    engine = _engine(url)
    if engine.dialect.name != "sqlite":
        return engine
    file = Path(engine.url.database or "")
    engine.dispose()
    if not file.is_file():
        return None
    return create_engine(f"sqlite:///{file.absolute().as_uri()}?mode=ro&uri=true")


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            engine = create_engine(parsed, connect_args={"timeout": BUSY_S, "check_same_thread": False})
            event.listen(engine, "connect", _sqlite_connected)
            event.listen(engine, "begin", _sqlite_begin)
            return engine
        if parsed.get_backend_name() == "postgresql":
            return create_engine(parsed, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_S})
    except (ArgumentError, NoSuchModuleError):
        raise ConfigError(_NO_ADDRESS) from None
    except ModuleNotFoundError as error:
        raise ConfigError(f"storage.url needs the Python package {error.name}, which is not installed") from None
    raise ConfigError(f"storage.url names {parsed.get_backend_name()}: only sqlite and postgresql are supported")


def _sqlite_connected(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's connection
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    """Begin explicitly: the driver's own idea of transactions leaves out DDL and savepoints."""
    connection.exec_driver_sql("BEGIN")


def _migrate(engine: Engine) -> None:
    from alembic.util import CommandError

    try:
        _upgrade(engine)
    except CommandError:
        log.warning("the projection's schema is not known to this build: dropped, it is rebuilt from the journal")
        with engine.begin() as connection:
            ours = {*metadata.tables, VERSION_TABLE} & set(inspect(connection).get_table_names())
            for name in sorted(ours):
                Table(name, type(metadata)(), autoload_with=connection).drop(connection)
        _upgrade(engine)


def _upgrade(engine: Engine) -> None:
    from alembic import command  # who only reads a database starts without it
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _put_aside(file: Path) -> None:
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.replace(file.with_name(file.name + ".damaged"))
