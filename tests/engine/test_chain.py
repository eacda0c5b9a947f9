"""The newest part of a journal is looked at beside the engine that writes it, and damage is found."""

from pathlib import Path

import pytest

from engine.chain import chain_of
from engine.core.journal import FileJournal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def write(folder: Path) -> FileJournal:
    journal = FileJournal(folder, fsync=False, segment_bytes=1 << 20, reserve_bytes=0)
    for seq in range(1, 301):
        journal.append(0, seq, seq, b"event %d" % seq)
    journal.flush()
    return journal


async def test_a_journal_that_is_being_written_is_sound(folder):
    journal = write(folder)
    seen = await chain_of(folder)()
    assert seen.ok
    assert f"up to 300, head {journal.head[1][:8]}" in seen.text
    journal.close()


async def test_a_changed_byte_is_found_and_its_place_named(folder):
    write(folder).close()
    [segment] = folder.glob("main-*.journal")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    seen = await chain_of(folder)()
    assert not seen.ok
    assert segment.name in seen.text


async def test_where_there_is_no_journal_that_is_said(tmp_path):
    seen = await chain_of(tmp_path)()
    assert not seen.ok
    assert "no segment" in seen.text
