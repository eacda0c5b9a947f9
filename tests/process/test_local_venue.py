"""`run --venue hyperliquid-local`: the whole program against a venue in a process of its own, over real sockets."""

from __future__ import annotations

import pickle
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from domain.codec import decode_event
from domain.events import Filled, VenueSnapshot
from engine.core.journal import JournalReader, SnapshotStore, verify
from engine.core.recovery import state_of
from exchanges.shared.setup import VENUES
from tests.exchanges.hyperliquid.exchange_room import MASTER
from tests.process.program import Forked, Program

ACCOUNT = "HYPERLIQUID:main"
DOGE = "DOGE-USDC-PERP.HYPERLIQUID"


class LocalProgram(Program):
    """The program with local venues in the place of a settings file."""

    venues: Sequence[str] = ("hyperliquid",)

    def start(self, *more: str) -> None:
        names = [word for venue in self.venues for word in ("--venue", f"{venue}-local")]
        words = ["run", *names, "--port", "0", *more, "--data", str(self.data)]
        self.process = Forked(words, self.log)

    def room(self) -> Any:
        """What the venue knows, once it has ended."""
        return pickle.loads((self.data / "local-venues" / "hyperliquid.room").read_bytes())


def fills_in_the_journal(program: Program) -> dict[str, Filled]:
    """Every fill that the journal has, once, whether it came by itself or with a snapshot."""
    found: dict[str, Filled] = {}
    for record in JournalReader(program.data / "journal").records(0, market=False):
        event = decode_event(record.payload)
        for fill in [event] if isinstance(event, Filled) else event.fills if isinstance(event, VenueSnapshot) else ():
            found[fill.fill_id] = fill
    return found


def ordered(program: Program, line: str) -> str:
    """An order, and the answer to the yes that it asks for."""
    asked = re.search(r"/confirm C[0-9]+", program.ask(line))
    assert asked is not None
    return program.ask(asked[0])


@pytest.fixture
def program(tmp_path: Path) -> Iterator[LocalProgram]:
    program = LocalProgram(tmp_path)
    yield program
    if program.process is not None:
        program.kill()


@pytest.mark.process
@pytest.mark.timeout(180)
def test_it_trades_is_killed_starts_again_and_agrees_with_the_venue(program: LocalProgram) -> None:
    program.start()
    said = program.ready(60)
    assert "HYPERLIQUID  local, connected" in said
    program.until("/status", "trading ACTIVE")
    program.until("/orders", "BTC buy 0.01 quote", 60)
    assert "Working" in ordered(program, "/order buy DOGE 2000")
    program.until("/trades", "DOGE buy 2000")
    program.kill()

    program.start()
    program.ready(60)
    program.until("/positions", "DOGE +2000")
    program.until("/status", "trading ACTIVE")
    assert "Working" in ordered(program, "/order sell DOGE 500")
    program.until("/positions", "DOGE +1500")
    program.ask("/halt the test is over")
    end = time.monotonic() + 30
    while "quote" in program.ask("/orders"):  # the turtle's stop, if it has one, stays
        assert time.monotonic() < end
        time.sleep(0.1)
    time.sleep(0.5)
    assert program.stop() == 0, program.output()

    snapshot = SnapshotStore(program.data / "journal" / "snapshots").load()
    assert snapshot is not None
    books = {i: p.qty for i, p in state_of(snapshot).accounts[ACCOUNT].positions.items() if p.qty}
    fills = fills_in_the_journal(program)
    booked = Counter[str]()
    for fill in fills.values():
        booked[fill.instrument] += fill.side * fill.qty
    account = program.room().exchange.floor.accounts[MASTER]
    assert books[DOGE] == 1500
    assert books == {i: qty for i, qty in booked.items() if qty}
    assert books == {i: account.qty(i) for i in books}
    assert len(fills) == len(program.room().fills)


@pytest.mark.process
@pytest.mark.timeout(240)
def test_five_venues_at_once_each_have_their_quotes(program: LocalProgram) -> None:
    program.venues = [venue.lower() for venue in VENUES]
    program.start()
    program.ready(120)
    program.until("/venues", "Venues: 5 of 5 connected", 60)
    for venue in VENUES:
        program.until("/orders", f".{venue} buy 0.01 quote", 60)
    assert program.stop() == 0, program.output()
    assert verify(program.data / "journal").ok


@pytest.mark.process
def test_a_venue_that_is_not_local_is_refused_with_a_sentence(tmp_path: Path) -> None:
    program = Program(tmp_path)
    answer = program.run_verb("run", "--venue", "hyperliquid-lokal")
    assert answer.returncode == 1
    assert "did you mean hyperliquid-local?" in answer.stderr
