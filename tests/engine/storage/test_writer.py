"""A locked, full, slow or vanished database never holds up the engine, and is caught up."""

import asyncio
import sqlite3
import time

import pytest
from sqlalchemy import event

from engine.storage import database
from engine.storage import writer as writer_module
from engine.storage.projector import Projector
from engine.storage.writer import ProjectionWriter
from tests.engine.storage.fakefacts import INSTRUMENTS, make_facts
from tests.engine.storage.test_projector import rows_of


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(writer_module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(writer_module, "_LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr("engine.storage.database.BUSY_S", 0.02)


async def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        await asyncio.sleep(0.005)


def reference(tmp_path, facts):
    """The rows that all these facts make."""
    projector = Projector(f"sqlite:///{tmp_path / 'reference.db'}", INSTRUMENTS, "j")
    projector.rebuild(facts)
    rows = rows_of(projector)
    projector.close()
    return rows


class Running:
    """A writer on a fresh SQLite file with what it reported."""

    def __init__(self, tmp_path, **options):
        self.file = tmp_path / "live.db"
        self.projector = Projector(f"sqlite:///{self.file}", INSTRUMENTS, "j")
        self.reports: list[str] = []
        self.writer = ProjectionWriter(self.projector, self.reports.append, **options)

    async def __aenter__(self):
        await self.writer.start(1, 0, lambda _: [])
        return self

    async def __aexit__(self, *_):
        await self.writer.aclose()


def stored(file):
    projector = Projector(f"sqlite:///{file}", INSTRUMENTS, "j")
    cursor, rows = projector.open(), rows_of(projector)
    projector.close()
    return cursor, rows


async def test_everything_put_is_written(tmp_path):
    facts = make_facts(5000)
    async with Running(tmp_path) as run:
        for fact in facts:
            run.writer.put(fact)
        run.writer.reached(facts[-1].seq)
        assert await run.writer.drain()
    cursor, rows = stored(run.file)
    assert rows == reference(tmp_path, facts)
    assert (cursor.seq, cursor.complete) == (facts[-1].seq, True)
    assert run.reports == []


async def test_a_locked_database_is_reported_once_and_caught_up(tmp_path):
    facts = make_facts(2000)
    async with Running(tmp_path) as run:
        run.writer.put(facts[0])
        assert await run.writer.drain()
        lock = sqlite3.connect(run.file)
        lock.execute("BEGIN EXCLUSIVE")
        for fact in facts[1:]:
            run.writer.put(fact)
        assert run.writer.pending, "nothing was written, and nobody waited for it"
        await until(lambda: run.reports)
        await asyncio.sleep(0.1)
        assert run.reports == ["database is locked"]
        assert run.writer.trouble == "database is locked"
        lock.rollback()
        lock.close()
        assert await run.writer.drain()
    assert run.reports == ["database is locked", ""]
    assert stored(run.file)[1] == reference(tmp_path, facts)


async def test_a_full_disk_is_reported_and_caught_up(tmp_path, monkeypatch):
    facts = make_facts(4000)
    pages = [60]

    def limit(connection, _record):
        connection.execute(f"PRAGMA max_page_count={pages[0]}")

    real = database._engine

    def engine(url):
        made = real(url)
        event.listen(made, "connect", limit)
        return made

    monkeypatch.setattr(database, "_engine", engine)
    async with Running(tmp_path) as run:
        for fact in facts:
            run.writer.put(fact)
        await until(lambda: run.reports)
        assert run.reports == ["database or disk is full"]
        pages[0] = 10**6
        assert await run.writer.drain()
    assert run.reports[-1] == ""
    assert stored(run.file)[1] == reference(tmp_path, facts)


async def test_when_the_queue_is_full_facts_are_dropped_and_the_next_start_rebuilds(tmp_path):
    facts = make_facts(3000)
    async with Running(tmp_path, max_pending=500) as run:
        assert await run.writer.drain()
        lock = sqlite3.connect(run.file)
        lock.execute("BEGIN EXCLUSIVE")
        for fact in facts:
            run.writer.put(fact)
            assert run.writer.pending <= 500 + writer_module._BATCH
        lock.rollback()
        lock.close()
        assert await run.writer.drain()
        assert run.writer.dropped > 0
        assert not stored(run.file)[0].complete
    projector = Projector(f"sqlite:///{run.file}", INSTRUMENTS, "j")
    writer = ProjectionWriter(projector, run.reports.append)
    await writer.start(facts[-1].seq + 1, facts[-1].seq, lambda _: facts)
    more = make_facts(100, seed=3, start_seq=facts[-1].seq + 1)
    for fact in more:
        writer.put(fact)
    assert await writer.drain()
    await writer.aclose()
    cursor, rows = stored(run.file)
    assert cursor.complete
    assert rows == reference(tmp_path, [*facts, *more])


async def test_a_restart_with_a_gap_rebuilds_from_the_journal_and_skips_what_is_put_again(tmp_path):
    facts = make_facts(1000)
    async with Running(tmp_path) as run:
        for fact in facts[:300]:
            run.writer.put(fact)
        await run.writer.drain()
    again = Running(tmp_path)
    tail = [fact for fact in facts if fact.seq > facts[600].seq]
    await again.writer.start(facts[600].seq + 1, facts[-1].seq, lambda _: facts)
    for fact in tail:
        again.writer.put(fact)
    await again.writer.drain()
    await again.writer.aclose()
    cursor, rows = stored(run.file)
    assert cursor.complete
    assert rows == reference(tmp_path, facts)


async def test_a_restart_without_a_gap_does_not_touch_the_journal(tmp_path):
    facts = make_facts(400)
    whole = next(n for n in range(300, 400) if facts[n].seq != facts[n - 1].seq)
    async with Running(tmp_path) as run:
        for fact in facts[:whole]:
            run.writer.put(fact)
        run.writer.reached(facts[whole - 1].seq)
        await run.writer.drain()
    again = Running(tmp_path)

    def never(_after):
        raise AssertionError("the journal was read")

    await again.writer.start(facts[whole - 1].seq, facts[-1].seq, never)
    for fact in facts[250:]:
        again.writer.put(fact)
    await again.writer.drain()
    await again.writer.aclose()
    assert stored(run.file)[1] == reference(tmp_path, facts)
    assert again.reports == []


async def test_a_journal_that_cannot_be_read_leaves_the_projection_incomplete_and_going_on(tmp_path):
    facts = make_facts(400)
    run = Running(tmp_path)

    def broken(_after):
        raise OSError("segment 3 is missing")

    await run.writer.start(200, 400, broken)
    for fact in facts[200:]:
        run.writer.put(fact)
    assert await run.writer.drain()
    await run.writer.aclose()
    cursor, rows = stored(run.file)
    assert not cursor.complete
    assert any(rows.values())
    assert run.writer.gap == "incomplete, and it cannot be rebuilt: segment 3 is missing"


async def test_a_restart_that_misses_a_few_facts_asks_the_journal_for_those_only(tmp_path):
    facts = make_facts(1000)
    async with Running(tmp_path) as run:
        for fact in facts[:300]:
            run.writer.put(fact)
        await run.writer.drain()
    reached = stored(run.file)[0].seq
    asked = []

    def since(after):
        asked.append(after)
        return [fact for fact in facts if fact.seq > reached - 20]

    again = Running(tmp_path)
    await again.writer.start(facts[600].seq + 1, facts[-1].seq, since)
    for fact in facts:
        if fact.seq > facts[600].seq:
            again.writer.put(fact)
    assert await again.writer.drain()
    await again.writer.aclose()
    cursor, rows = stored(run.file)
    assert asked == [reached]
    assert (cursor.complete, again.writer.gap) == (True, "")
    assert rows == reference(tmp_path, facts)


async def test_a_database_that_is_damaged_while_running_is_put_aside_and_marked_incomplete(tmp_path):
    facts = make_facts(400)
    async with Running(tmp_path) as run:
        for fact in facts[:200]:
            run.writer.put(fact)
        assert await run.writer.drain()
        run.projector.close()
        for name in ("live.db-wal", "live.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        run.file.write_bytes(b"garbage " * 1000)
        for fact in facts[200:]:
            run.writer.put(fact)
        assert await run.writer.drain()
    cursor, _ = stored(run.file)
    assert not cursor.complete
    assert (tmp_path / "live.db.damaged").exists()


async def test_postgresql_that_goes_away_is_caught_up_when_it_is_back(tmp_path, postgres):
    facts = make_facts(800)
    reports: list[str] = []
    projector = Projector(postgres.url, INSTRUMENTS, "away")
    writer = ProjectionWriter(projector, reports.append)
    await writer.start(1, 0, lambda _: [])
    for fact in facts[:400]:
        writer.put(fact)
    assert await writer.drain()
    postgres.stop()
    try:
        for fact in facts[400:]:
            writer.put(fact)
        await until(lambda: reports)
        assert reports[0]
        assert "postgres@" not in reports[0]
    finally:
        postgres.start()
    assert await writer.drain(30)
    assert reports[-1] == ""
    await writer.aclose()
    again = Projector(postgres.url, INSTRUMENTS, "away")
    assert rows_of(again) == reference(tmp_path, facts)
    again.close()
