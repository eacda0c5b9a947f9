"""Applies facts to a database: each exactly once, in their order, one transaction a batch.

The cursor row is written in the same transaction as the rows, so a crash loses or repeats nothing: facts at
or before the cursor are passed over. A fact that the database refuses (a poison fact) is skipped, counted
and logged; it never stands in the way of the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Engine, Table, delete, insert, inspect, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, StatementError

from domain.facts import Fact
from engine.storage import schema
from engine.storage.database import open_database, read_only
from engine.storage.rows import Instruments, Row, to_row

log = logging.getLogger("engine.storage")

WHOLE_EVENT = 2**31 - 1
"""Cursor index that means: every fact of this seq."""
_REBUILD_BATCH = 5_000


class Cursor(Struct, frozen=True, kw_only=True):
    """How far the projection is: every fact up to (seq, index) is in it, when `complete`.

    `skipped` counts facts that the database refused. (0, -1) is an empty projection.
    """

    journal: str
    seq: int = 0
    index: int = -1
    complete: bool = True
    skipped: int = 0

    def rebuild_reason(self, first_seq: int, last_seq: int) -> str:
        """Why facts from `first_seq` on are not enough for a journal that ends at `last_seq`; "" if they are."""
        if not self.complete:
            return "facts were dropped while the database could not keep up"
        if self.seq > last_seq:
            return f"it knows event {self.seq}, but the journal ends at {last_seq}"
        if self.seq < first_seq - 1:
            return f"it ends at event {self.seq}, and the facts begin at {first_seq}"
        return ""

    def can_go_on(self, last_seq: int) -> bool:
        """Whether facts that are newer are all that is missing for a journal that ends at `last_seq`."""
        return self.complete and self.seq <= last_seq


class Projector:
    """One writer of one database. Blocks; not for the event loop: see `ProjectionWriter`.

    `instruments` turns integers into decimals and may grow while running. `journal` is the installation id:
    a projection of another journal is emptied.
    """

    def __init__(self, url: str, instruments: Instruments, journal: str = "") -> None:
        """Keep the address; `open` connects."""
        self._url = url
        self._instruments = instruments
        self._journal = journal
        self._engine: Engine | None = None
        self._written = (0, -1)

    @property
    def engine(self) -> Engine:
        """The open database. Raises what `open` raises."""
        if self._engine is None:
            self.open()
        assert self._engine is not None  # noqa: S101 - open() sets it or raises
        return self._engine

    @property
    def url(self) -> str:
        """The database's address, which may hold its password."""
        return self._url

    @property
    def instruments(self) -> Instruments:
        """The contracts that integers are turned into decimals by."""
        return self._instruments

    def open(self) -> Cursor:
        """Connect, migrate, and return where the projection stands.

        Raises `ConfigError` for a wrong address, SQLAlchemy's `DBAPIError` while it cannot be reached.
        """
        if self._engine is None:
            self._engine = open_database(self._url)
        with self._engine.begin() as connection:
            stored = _read(connection)
            if stored is None:
                connection.execute(insert(schema.cursor).values(id=1, **_columns(Cursor(journal=self._journal))))
            elif stored.journal != self._journal:
                log.warning("the projection is of another journal: emptied")
                _empty(connection, Cursor(journal=self._journal))
        return self.cursor()

    def cursor(self) -> Cursor:
        """Where the projection stands."""
        with self.engine.connect() as connection:
            return _read(connection) or Cursor(journal=self._journal)

    def apply(self, facts: Sequence[Fact], reached_seq: int = -1, *, complete: bool = True) -> Cursor:
        """Apply facts that are newer than the cursor, in one transaction, and return the new cursor.

        `reached_seq`: there are no further facts up to this event. `complete` False: facts before these are
        missing; so they are when the database has forgotten what was written before (it was damaged and put aside).
        Raises SQLAlchemy's `DBAPIError` when the database cannot take them now; nothing is applied then.
        """
        with self.engine.begin() as connection:
            old = _locked(connection)
            new = [fact for fact in facts if (fact.seq, fact.index) > (old.seq, old.index)]
            skipped = self._write(connection, new)
            seq, index = max(
                (old.seq, old.index),
                (reached_seq, WHOLE_EVENT if reached_seq >= 0 else -1),
                *((fact.seq, fact.index) for fact in new[-1:]),
            )
            lost = (old.seq, old.index) < self._written
            cursor = Cursor(
                journal=old.journal,
                seq=seq,
                index=index,
                complete=old.complete and complete and not lost,
                skipped=old.skipped + skipped,
            )
            connection.execute(update(schema.cursor).values(**_columns(cursor)))
        self._written = (seq, index)
        return cursor

    def rebuild(self, facts: Iterable[Fact], reached_seq: int = -1) -> Cursor:
        """Replace everything by `facts` (all of them, in order) in one transaction: readers see old or new.

        `reached_seq`: the journal ends at this event.
        """
        with self.engine.begin() as connection:
            _locked(connection)
            _empty(connection, Cursor(journal=self._journal))
            seq, index, skipped = 0, -1, 0
            source = iter(facts)
            for batch in iter(lambda: list(islice(source, _REBUILD_BATCH)), []):
                skipped += self._write(connection, batch)
                seq, index = batch[-1].seq, batch[-1].index
            if reached_seq >= 0:
                seq, index = max((seq, index), (reached_seq, WHOLE_EVENT))
            cursor = Cursor(journal=self._journal, seq=seq, index=index, skipped=skipped)
            connection.execute(update(schema.cursor).values(**_columns(cursor)))
        self._written = (seq, index)
        return cursor

    def close(self) -> None:
        """Release the connections."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _write(self, connection: Connection, facts: Sequence[Fact]) -> int:
        """Write rows; returns how many facts were skipped as poison."""
        try:
            with connection.begin_nested():
                self._insert(connection, facts)
            return 0
        except _POISON as error:
            _raise_unless_poison(error)
        skipped = 0
        for fact in facts:
            try:
                with connection.begin_nested():
                    self._insert(connection, [fact])
            except _POISON as error:
                _raise_unless_poison(error)
                skipped += 1
                log.error(  # noqa: TRY400 - the sentence says it; a trace per poison fact would flood the log
                    "fact %s %d/%d cannot be stored (%s): skipped",
                    type(fact).__name__,
                    fact.seq,
                    fact.index,
                    type(error).__name__,
                )
        return skipped

    def _insert(self, connection: Connection, facts: Sequence[Fact]) -> None:
        for table, rows in _grouped(facts, self._instruments):
            connection.execute(_upsert(connection, table), rows)


_POISON = (IntegrityError, DataError, StatementError, OverflowError, ValueError, TypeError, KeyError, ArithmeticError)


def _raise_unless_poison(error: Exception) -> None:
    """Let through what is the database's trouble and not the fact's."""
    if isinstance(error, DBAPIError) and not isinstance(error, (IntegrityError, DataError)):
        raise error


def glance(url: str, *, thorough: bool = False) -> tuple[Cursor | None, str]:
    """Where the projection at `url` stands and the id of its newest order, changing nothing; None = there is none yet.

    `thorough` reads all of a SQLite file, looking for damage. Raises `ConfigError` for a wrong address, SQLAlchemy's
    `DBAPIError` while it cannot be read.
    """
    engine = read_only(url)
    if engine is None:
        return None, ""
    orders = schema.orders
    newest = select(orders.c.cid).order_by(orders.c.created_ns.desc()).limit(1)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(schema.cursor.name):
                return None, ""
            if thorough and connection.dialect.name == "sqlite":
                damage = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if damage != "ok":
                    raise OperationalError(None, None, ValueError(f"the file is damaged: {damage}"))
            return _read(connection), connection.execute(newest).scalar() or ""
    finally:
        engine.dispose()


def rebuild(
    url: str,
    facts: Iterable[Fact],
    instruments: Instruments,
    journal: str = "",
    last_seq: Callable[[], int] = lambda: -1,
) -> Cursor:
    """Make the projection at `url` anew from all facts of a journal.

    `last_seq` is asked once they are read, and says at which event the journal ends.
    """
    projector = Projector(url, instruments, journal)
    try:
        projector.rebuild(facts)
        return projector.apply([], last_seq())
    finally:
        projector.close()


def _grouped(facts: Iterable[Fact], instruments: Instruments) -> Iterator[tuple[Table, list[Row]]]:
    """Rows by table; of several rows with one key only the newest."""
    tables: dict[Table, dict[tuple[Any, ...], Row]] = {}
    for fact in facts:
        table, row = to_row(fact, instruments)
        tables.setdefault(table, {})[tuple(row[column.name] for column in table.primary_key)] = row
    for table, rows in tables.items():
        yield table, list(rows.values())


def _upsert(connection: Connection, table: Table) -> Any:  # noqa: ANN401 - an insert of either dialect
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = make(table)
    keys = [column.name for column in table.primary_key]
    changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _locked(connection: Connection) -> Cursor:
    """The cursor, once no other writer can move it: the update takes the lock that a read does not."""
    connection.execute(update(schema.cursor).values(id=1))
    return _read(connection) or Cursor(journal="")


def _read(connection: Connection) -> Cursor | None:
    row = connection.execute(select(schema.cursor)).mappings().first()
    if row is None:
        return None
    return Cursor(
        journal=row["journal"], seq=row["seq"], index=row["idx"], complete=row["complete"], skipped=row["skipped"]
    )


def _columns(cursor: Cursor) -> Row:
    return {
        "journal": cursor.journal,
        "seq": cursor.seq,
        "idx": cursor.index,
        "complete": cursor.complete,
        "skipped": cursor.skipped,
    }


def _empty(connection: Connection, cursor: Cursor) -> None:
    for table in schema.PROJECTED:
        connection.execute(delete(table))
    connection.execute(update(schema.cursor).values(**_columns(cursor)))
