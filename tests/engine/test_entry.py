"""One record of the journal in full, looked up beside the engine that writes it."""

import json
from pathlib import Path

import pytest

from domain.codec import encode
from domain.commands import Actor, Door, Halt
from domain.events import CommandReceived
from domain.ports import MAIN_STREAM, MARKET_STREAM
from engine.core.journal import FileJournal
from engine.entry import entry_of, look


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "journal"
    journal = FileJournal(folder, fsync=False, segment_bytes=1 << 16, reserve_bytes=0)
    for seq in range(1, 1201):
        actor = Actor(person="tina", door=Door.TELEGRAM)
        event = CommandReceived(actor=actor, command=Halt(reason=f"reason {seq}"), request_id=f"k{seq}")
        stream = MARKET_STREAM if seq == 7 else MAIN_STREAM
        journal.append(stream, seq, seq * 10, encode(event))
    journal.close()
    return folder


async def test_a_record_is_shown_as_it_stands_with_the_hash_after_it(folder):
    found = await entry_of(folder)(1100)
    assert not found.problem
    assert (found.seq, found.ts_ns) == (1100, 11_000)
    command = found.event["command"]
    assert (command["type"], command["reason"]) == ("halt", "reason 1100")
    assert found.event["actor"]["person"] == "tina"
    assert json.loads(found.text) == found.event
    assert len(found.hash) == 16
    assert found.segment.startswith("main-")


def test_what_is_not_there_is_said_and_not_raised(folder, tmp_path):
    assert "market data" in look(folder, 7).problem
    assert "on disk yet" in look(folder, 5000).problem
    assert look(tmp_path / "nowhere", 1).problem
    [first, *_] = sorted(folder.glob("main-*.journal"))
    data = bytearray(first.read_bytes())
    data[200] ^= 1
    first.write_bytes(data)
    assert "broken" in look(folder, 3).problem
