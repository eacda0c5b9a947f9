"""Start, trade, `kill -9` at random moments fifty times, start again: nothing lost, nothing doubled."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from domain.codec import decode_event
from domain.events import Accepted, EngineStarted, EngineStopped, Filled, VenueSnapshot
from engine.core.journal import JournalReader, SnapshotStore, verify
from engine.core.recovery import state_of
from exchanges.paper.ledger import PaperAccount
from exchanges.paper.store import Change, Image, PaperStore
from tests.process.program import Program

KILLS = 25
"""For each of the two seeds; they run side by side."""
LONGEST_LIFE_S = 1.5


@pytest.mark.process
@pytest.mark.timeout(420)
@pytest.mark.parametrize("seed", [50, 51])
def test_kills_at_random_moments_lose_nothing_and_double_nothing(tmp_path: Path, seed: int) -> None:
    program = Program(tmp_path, forked=True)
    moments = random.Random(seed)
    program.start()
    program.ready()
    program.until("/trades", "BTC")
    for _ in range(KILLS):
        time.sleep(moments.random() * LONGEST_LIFE_S)
        program.kill()
        report = verify(program.data / "journal")
        assert report.ok, report
        program.start()
        program.ready()
    program.until("/status", "ACTIVE")
    program.ask("/halt the test is over")
    time.sleep(2)
    assert program.stop() == 0, program.log.read_text()
    every_run_is_in_the_journal(program)
    no_order_reached_the_venue_twice(program)
    positions_are_the_fills_and_the_venue_agrees(program)
    replay_reproduces_every_snapshot(program)


def events(program: Program) -> Iterator[object]:
    return (decode_event(r.payload) for r in JournalReader(program.data / "journal").records(0, market=False))


def every_run_is_in_the_journal(program: Program) -> None:
    assert verify(program.data / "journal").ok
    runs = [e for e in events(program) if isinstance(e, EngineStarted)]
    assert len(runs) == KILLS + 1
    assert [e.epoch for e in runs] == list(range(1, KILLS + 2))
    assert len({e.installation for e in runs}) == 1
    assert sum(isinstance(e, EngineStopped) for e in events(program)) == 1


def no_order_reached_the_venue_twice(program: Program) -> None:
    venue_ids: dict[str, set[str]] = {}
    for event in events(program):
        if isinstance(event, Accepted):
            venue_ids.setdefault(event.cid, set()).add(event.venue_id)
    assert len(venue_ids) > KILLS // 2  # it traded between kills; a slow machine does so less often
    assert [cid for cid, ids in venue_ids.items() if len(ids) > 1] == []


def positions_are_the_fills_and_the_venue_agrees(program: Program) -> None:
    snapshot = SnapshotStore(program.data / "journal" / "snapshots").load()
    assert snapshot is not None
    account = state_of(snapshot).accounts["PAPER:main"]
    booked: dict[str, int] = Counter()
    fees = Decimal(0)
    seen: set[str] = set()
    for event in events(program):
        for fill in event.fills if isinstance(event, VenueSnapshot) else [event]:
            if isinstance(fill, Filled) and fill.fill_id not in seen:
                seen.add(fill.fill_id)
                booked[fill.instrument] += fill.side * fill.qty
                fees += fill.fee
    assert len(seen) > KILLS
    ours = {name: p.qty for name, p in account.positions.items()}
    assert ours == {name: booked[name] for name in ours}
    assert account.fees == fees
    venue = venue_books(program.data / "paper-exchange")
    assert ours == {name: venue.qty(name) for name in ours}
    assert account.cash == venue.cash


def venue_books(path: Path) -> PaperAccount:
    """The account as the venue itself keeps it."""
    account: PaperAccount | None = None
    for record in PaperStore(path).read():
        assert isinstance(record, Image | Change)
        for stored in record.accounts:
            account = stored
    assert account is not None
    return account


def replay_reproduces_every_snapshot(program: Program) -> None:
    for words in (("replay",), ("replay", "--code")):
        replayed = program.run_verb(*words)
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        assert "MISMATCH" not in replayed.stdout
