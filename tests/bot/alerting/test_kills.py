"""Killed at any moment: what was told is not told again, what was not is, and what people did holds."""

import asyncio
import itertools
import sqlite3

import pytest

from bot.alerting.intake import Intake
from bot.alerting.model import AlertState
from bot.alerting.progress import Progress
from bot.alerts import Alerts
from bot.config import AlertConfig
from bot.room import ControlRoom
from bot.store import OpsStore
from bot.verbs import run_line
from domain.facts import Alerted, Severity
from tests.bot.world import GROUP, Engine, actor, fresh_id, until, wall_ns, world


class Killed(Exception):
    """The process ends here."""


def raised(number, severity=Severity.WARNING, kind="feed_stale", **labels):
    return Alerted(
        seq=10**9 + number, index=0, ts_ns=10**9, severity=severity, kind=kind, text=f"news {number}", labels=labels
    )


FACTS = [
    raised(1, venue="V"),
    raised(2, Severity.CRITICAL, "watchdog"),
    raised(3, venue="V"),
    raised(4, Severity.ERROR, "venue_down", venue="W"),
    raised(5, Severity.INFO, "venue_up", venue="W"),
    raised(6, Severity.CRITICAL, "dead_man", account="V:main"),
]


async def told(path):
    """The letters on disk, each with how often it is there, and the counts of the alerts."""
    store = OpsStore(path)
    await store.start()
    rows = await store.run(
        lambda: store.db.execute(
            "select event, recipient, count(*) from outbox where event like 'alert:%' group by 1, 2"
        ).fetchall()
    )
    await store.aclose()
    return {(event, recipient): count for event, recipient, count in rows}


class Mortal(OpsStore):
    """The real store; the process is killed at its n-th write."""

    def __init__(self, path, left):
        super().__init__(path)
        self.left = left
        self.writes = 0
        self.is_open = False

    async def run(self, work):
        if self.is_open:
            self.writes += 1
            if self.writes == self.left:
                raise Killed
        return await super().run(work)


async def read(engine, store):
    """Take up what is on disk and the facts after it, one by one; what the book says then."""
    room = ControlRoom(engine.desk, store)
    await store.start()
    await room.alerts.start()
    store.is_open = True
    times = itertools.count(2_000_000_000_000_000_000, 10**9)
    room.alerts.now_ns = lambda: next(times)
    config = AlertConfig(fills=False)
    reader = Alerts(engine.desk, room.outbox, config, room.alerts, recipients=(), rooms={}, private=lambda _person: ())
    if room.alerts.progress is None:
        room.alerts.progress = Progress(spans=[((0, 0), (10**9, 0))])
    intake = Intake(room.alerts.book, engine.desk)
    (_, seen), *_ = room.alerts.progress.spans
    try:
        for fact in FACTS:
            if (fact.seq, fact.index) > seen:
                await reader.take(intake, [fact], (fact.seq - 1, 0))
        for _ in range(70):
            await room.alerts.tick()
    finally:
        store.is_open = False
        await store.aclose()
    known = [*room.alerts.book.alerts.values(), *room.alerts.recent()]
    return {alert.kind: (alert.count, alert.state) for alert in known}


async def test_a_kill_at_every_write_counts_every_fact_once(tmp_path):
    engine = Engine()
    store = Mortal(tmp_path / "whole.db", -1)
    whole = await read(engine, store)
    assert whole["feed_stale"] == (2, AlertState.FIRING)
    assert whole["watchdog"] == (1, AlertState.FIRING)
    assert whole["venue_down"][1] is AlertState.RESOLVED
    assert store.writes >= len(FACTS)
    for killed_at in range(1, store.writes + 1):
        path = tmp_path / f"{killed_at}.db"
        with pytest.raises(Killed):
            await read(engine, Mortal(path, killed_at))
        assert await read(engine, Mortal(path, -1)) == whole, killed_at
        assert set((await told(path)).values()) <= {1}


async def test_while_the_disk_refuses_alerts_are_told_from_memory_and_written_later(tmp_path, monkeypatch):
    async with world(tmp_path, "telegram") as w:
        run = w.room.store.run

        async def full(_work):
            raise sqlite3.OperationalError("disk is full")

        monkeypatch.setattr(w.room.store, "run", full)
        w.desk.publish([raised(1, Severity.CRITICAL, "watchdog")])
        await w.telegram.text("news 1", chat=GROUP)
        monkeypatch.setattr(w.room.store, "run", run)
        w.desk.publish([raised(2, Severity.CRITICAL, "dead_man", account="V:m")])
        await w.telegram.text("news 2", chat=GROUP)
        await until(lambda: w.chat.outbox.waiting() == 0)
    store = OpsStore(tmp_path / "ops.db")
    await store.start()
    names = await store.run(
        lambda: [row[0] for row in store.db.execute("select name from alerting where kind = 'alert' order by name")]
    )
    await store.aclose()
    assert names == ["1", "2"]


async def test_what_people_said_survives_a_restart(tmp_path):
    # when a mute is over, is told by the wall clock
    async with world(tmp_path, "telegram", start_ns=wall_ns(), update_s=0.05) as first:
        for line, person in (
            ("/alerts mute feed_stale,venue=V 2h known", "tina"),
            ("/alerts route oncall rosa", "rosa"),
            ("/alerts quiet 22:00-07:00", "vera"),
        ):
            assert (await run_line(first.room, actor(person), line, fresh_id())).ok, line
        first.desk.publish([raised(1, venue="V"), raised(2, Severity.CRITICAL, "watchdog")])
        await until(lambda: len(first.room.alerts.open()) == 2 and bool(first.room.alerts.book.mutes))
        await run_line(first.room, actor("rosa"), "/ack A2", fresh_id())
        await until(lambda: first.chat.outbox.waiting() == 0)
    async with world(tmp_path, "telegram", engine=first.engine) as second:
        await until(lambda: len(second.room.alerts.open()) == 2)
        acked, muted = second.room.alerts.open()
        assert (acked.by, acked.state) == ("rosa", AlertState.ACKED)
        assert muted.hidden == "M1"
        listed = str(await run_line(second.room, actor("tina"), "/alerts", fresh_id()))
        assert "M1: feed_stale venue=V" in listed
        assert "On call: Rosa" in listed
        assert second.room.people.of("vera").quiet == "22:00-07:00"
        await asyncio.sleep(0.1)
        assert not [one for one in second.telegram.sent if "news" in one.text]


def test_holes_are_found_and_closed():
    done = Progress(spans=[((0, 0), (10, 0))])
    done.add((20, 5), (30, 0))
    assert done.holes((40, 1)) == [((10, 0), (20, 5)), ((30, 0), (40, 1))]
    done.add((10, 0), (15, 0))
    done.add((30, 0), (35, 0))
    assert done.holes((35, 0)) == [((15, 0), (20, 5))]
    done.add((15, 0), (20, 5))
    assert done.spans == [((0, 0), (35, 0))]
    assert done.holes((35, 0)) == []


@pytest.mark.parametrize("late", [True, False])
async def test_what_ended_before_it_is_read_is_over(tmp_path, late):
    """The old news of a restart come after those of now: an outage that is over by then is not raised again."""
    engine = Engine()
    room = ControlRoom(engine.desk, OpsStore(tmp_path / "x.db"))
    intake = Intake(room.alerts.book, engine.desk)
    intake.is_behind = True
    down, up = raised(4, Severity.ERROR, "venue_down", venue="W"), raised(5, Severity.INFO, "venue_up", venue="W")
    for fact in (up, down) if late else (down, up):
        intake.take(fact, 1)
    assert not room.alerts.open()
    again = raised(6, Severity.ERROR, "venue_down", venue="W")
    intake.take(again, 2)
    assert len(room.alerts.open()) == 1


async def test_facts_that_change_nothing_are_not_worth_a_write_each(tmp_path):
    engine, store = Engine(), Mortal(tmp_path / "ops.db", -1)
    room = ControlRoom(engine.desk, store)
    await store.start()
    await room.alerts.start()
    room.alerts.progress = Progress(spans=[((0, 0), (1, 0))])
    now = [2_000_000_000_000_000_000]
    room.alerts.now_ns = lambda: now[0]
    await room.alerts.tick()
    store.is_open = True
    for number in range(2, 120):
        room.alerts.progress.add((number - 1, 0), (number, 0))
        now[0] += 10**9
        await room.alerts.tick()
    assert store.writes == 1
    await store.aclose()
