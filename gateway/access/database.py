"""The access database: its tables, and opening it with the schema that this build knows.

Two processes, and several gateways, may use one at the same time: whatever is spent once is spent by one statement
(`DELETE ... RETURNING`). Unlike projections it cannot be rebuilt: a newer schema is refused, a damaged file put aside.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError

from domain.errors import ConfigError

FILE: Final = "access.db"
BUSY_S: Final = 2
CONNECT_S: Final = 5
STATEMENT_MS: Final = 5_000
LOCK_ID: Final = 0x6D6F6F6E
"""PostgreSQL's advisory lock under which one process at a time brings the schema up to date."""
DAMAGED: Final = ("not a database", "malformed")

log = structlog.get_logger("gateway.access")
metadata = MetaData()

meta = Table(
    "access_meta", metadata, Column("name", String(40), primary_key=True), Column("value", BigInteger, nullable=False)
)
tokens = Table(
    "access_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("person", String(100), nullable=False, index=True),
    Column("scopes", String(100), nullable=False),
    Column("networks", String(1000), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Column("last_used_ns", BigInteger, nullable=False, default=0),
    Column("last_ip", String(64), nullable=False, default=""),
    Column("revoked_ns", BigInteger, nullable=False, default=0),
    Column("resumed_ns", BigInteger, nullable=False, default=0),
)
sessions = Table(
    "access_sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("person", String(100), nullable=False, index=True),
    Column("created_ns", BigInteger, nullable=False),
    Column("seen_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Column("proved_ns", BigInteger, nullable=False, default=0),
    Column("ip", String(64), nullable=False),
    Column("agent", String(200), nullable=False),
)
links = Table(
    "access_links",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("person", String(100), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
)
tickets = Table(
    "access_tickets",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("key", String(64), nullable=False),
    Column("ip", String(64), nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
)
failures = Table(
    "access_failures",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("failed", Integer, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    Column("locked_until_ns", BigInteger, nullable=False),
)
noted = Table(
    "access_log",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ts_ns", BigInteger, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("person", String(100), nullable=False),
    Column("by", String(100), nullable=False),
    Column("ip", String(64), nullable=False),
    Column("text", String(500), nullable=False),
    sqlite_autoincrement=True,
)
answers = Table(
    "access_answers",
    metadata,
    Column("caller", String(100), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("created_ns", BigInteger, nullable=False, index=True),
    Column("answer", LargeBinary),
)


def _create(connection: Connection) -> None:
    metadata.create_all(connection)


def _add_answers(connection: Connection) -> None:
    answers.create(connection, checkfirst=True)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_create, _add_answers)
"""Step n brings version n to n + 1. A table made anew has the newest form: later steps look before they change."""


def open_file(folder: Path) -> Engine:
    """SQLite's database of a data folder, made with mode 0600 where there is none. Raises `ConfigError`."""
    file = folder / FILE
    _guard_file(file)
    try:
        return _migrated(_sqlite(file))
    except DatabaseError as error:
        if not any(word in str(error.orig) for word in DAMAGED):
            raise
        log.error("the access database is damaged and put aside: log in anew, make tokens anew", file=str(file))  # noqa: TRY400
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        file.replace(file.with_name(file.name + ".damaged"))
        _guard_file(file)
        return _migrated(_sqlite(file))


def open_url(url: str) -> Engine:
    """A PostgreSQL database. Raises `ConfigError`, never with the URL in it: it holds the password.

    Raises SQLAlchemy's `DBAPIError` while it cannot be reached.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "postgresql":
            raise ConfigError("gateway.database names a secret that is no PostgreSQL address")
        options = {"connect_timeout": CONNECT_S, "options": f"-c statement_timeout={STATEMENT_MS}"}
        engine = create_engine(parsed, pool_pre_ping=True, connect_args=options, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError):
        raise ConfigError(
            "the secret that gateway.database names is no address: postgresql+psycopg://user:password@host/database"
        ) from None
    except ModuleNotFoundError as error:
        raise ConfigError(f"gateway.database needs the Python package {error.name}, which is not installed") from None
    return _migrated(engine)


def _migrated(engine: Engine) -> Engine:
    try:
        _migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _guard_file(file: Path) -> None:
    """Make the file, for its owner only; one that others can read, or a link to elsewhere, is refused."""
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; it must be a plain file of this user") from None
    try:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)
    if mode & 0o077:
        raise ConfigError(f"{file} can be read by others (mode {mode:03o}): chmod 600 {file}")


def _sqlite(file: Path) -> Engine:
    arguments = {"timeout": BUSY_S, "check_same_thread": False}
    engine = create_engine(f"sqlite:///{file}", connect_args=arguments, hide_parameters=True)
    event.listen(engine, "connect", _sqlite_connected)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connected(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's connection
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    """Take the writer's place at once where a write will come: one that was read first cannot wait for it any more."""
    writes = connection.get_execution_options().get("writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_ID})"))
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise ConfigError(
                f"the access database has version {version} of its schema, this build knows {len(MIGRATIONS)}: "
                "start the newer build, or move the database away (everybody logs in anew, tokens are made anew)"
            )
        for step in MIGRATIONS[version:]:
            step(connection)
        set_value(connection, "version", len(MIGRATIONS))


def _version(connection: Connection) -> int:
    return get_value(connection, "version") if inspect(connection).has_table(meta.name) else 0


def get_value(connection: Connection, name: str) -> int:
    """A number that is kept by name, 0 where there is none."""
    found = connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar()
    return int(found or 0)


def set_value(connection: Connection, name: str, value: int) -> None:
    """Keep a number by name."""
    if not connection.execute(meta.update().where(meta.c.name == name).values(value=value)).rowcount:
        connection.execute(meta.insert().values(name=name, value=value))
