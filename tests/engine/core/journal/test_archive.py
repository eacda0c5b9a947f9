"""Archiving moves market data that no start needs, checks each copy, and the audit says where it went."""

from pathlib import Path

import pytest

from domain.errors import JournalCorrupt, JournalError
from engine.core.journal import FileJournal, archive, archived, verify
from engine.core.journal.format import MARKET
from engine.core.journal.segments import read_seal
from tests.engine.core.journal.journals import append, flip, mains, markets, mixed, record

FOREVER = 1 << 62


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A journal of several market segments, with a snapshot of event 40 of 60."""
    folder = tmp_path / "journal"
    journal = FileJournal(folder, fsync=False, segment_bytes=900, max_age_s=60)
    records = mixed(60)
    for start in range(0, 60, 6):
        append(journal, records[start : start + 6])
        journal.flush()
    journal.save_snapshot(40, 40_000, "b", 1, b"state")
    journal.close()
    return folder


def test_what_is_older_than_the_newest_snapshot_is_moved_and_told(directory, tmp_path):
    before = {path.name: path.read_bytes() for path in markets(directory)}
    moved = archive(directory, FOREVER, tmp_path / "far" / "away")
    assert moved
    assert {m.segment for m in moved} < set(before), "what came after the snapshot stays"
    for one in moved:
        assert (tmp_path / "far" / "away" / one.segment).read_bytes() == before[one.segment]
    report = verify(directory)
    assert report.ok
    assert {span.segment for span in report.missing} == set(archived(directory)) == {m.segment for m in moved}
    assert max(span.last_seq for span in report.missing) <= 40


def test_only_what_ended_before_the_time_is_moved(directory, tmp_path):
    first, *_ = markets(directory)
    assert archive(directory, 1, tmp_path / "away") == []
    seal = read_seal(first, MARKET)
    assert seal is not None
    assert archive(directory, seal.ts_ns, tmp_path / "away") == []
    assert [m.segment for m in archive(directory, seal.ts_ns + 1, tmp_path / "away")] == [first.name]


def test_nothing_is_moved_without_a_snapshot_or_from_a_broken_journal(directory, tmp_path):
    for path in (directory / "snapshots").iterdir():
        path.unlink()
    assert archive(directory, FOREVER, tmp_path / "away") == []
    flip(mains(directory)[0], 200)
    with pytest.raises(JournalCorrupt, match="nothing is archived"):
        archive(directory, FOREVER, tmp_path / "away")


def test_a_file_of_that_name_with_other_content_is_not_replaced_and_nothing_is_lost(directory, tmp_path):
    first = markets(directory)[0]
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / first.name).write_bytes(b"somebody else's")
    with pytest.raises(JournalError, match="choose another folder"):
        archive(directory, FOREVER, tmp_path / "away")
    assert first.exists()
    assert (tmp_path / "away" / first.name).read_bytes() == b"somebody else's"


@pytest.mark.parametrize("way", [".", "away", "../journal", "../link", "../link/away"])
def test_the_journals_own_folder_is_no_archive_by_whatever_way_it_is_named(directory, way, monkeypatch):
    (directory.parent / "link").symlink_to(directory)
    monkeypatch.chdir(directory)
    before = markets(directory)
    with pytest.raises(JournalError, match="the journal's own folder"):
        archive(directory, FOREVER, Path(way))
    assert markets(directory) == before
    assert archived(directory) == {}


def test_the_same_file_by_another_name_is_no_copy(directory, tmp_path):
    first = markets(directory)[0]
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / first.name).symlink_to(first)
    with pytest.raises(JournalError, match="itself and no copy"):
        archive(directory, FOREVER, tmp_path / "away")
    assert first.exists()
    assert archived(directory) == {}


def test_what_went_where_is_on_the_disk_before_anything_is_removed(directory, tmp_path, monkeypatch):
    synced: list[str] = []
    at_removal: list[list[str]] = []
    remove = Path.unlink

    def note_sync(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink().name)

    def note_removal(path: Path, **how: bool) -> None:
        at_removal.append(synced[-2:])
        remove(path, **how)

    monkeypatch.setattr("os.fsync", note_sync)
    monkeypatch.setattr(Path, "unlink", note_removal)
    assert archive(directory, FOREVER, tmp_path / "away")
    assert all(last == ["archived", "journal"] for last in at_removal)


def test_what_was_moved_may_come_back(directory, tmp_path):
    records = verify(directory).records
    for one in archive(directory, FOREVER, tmp_path / "away"):
        (tmp_path / "away" / one.segment).rename(directory / one.segment)
    report = verify(directory)
    assert report.ok
    assert report.records == records
    assert not report.missing


def test_a_running_service_goes_on(directory, tmp_path):
    journal = FileJournal(directory, fsync=False, max_age_s=60)
    assert archive(directory, FOREVER, tmp_path / "away")
    append(journal, [record(61, 1), record(62)])
    journal.close()
    assert verify(directory).last_seq == 62
