"""A journal whose end was lost: whoever knows more is heard, nothing is used again, and people decide how to go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.commands import Halt
from domain.facts import TradingState
from domain.order import derive_client_id
from domain.ports import MAIN_STREAM, MARKET_STREAM
from engine import lost
from engine.core.journal import FileJournal, verify
from engine.core.journal.writer import GROUP_RECORDS
from engine.core.recovery import replay, state_hash
from engine.core.state import STATE_VERSION, State, encode_state
from engine.lost import Lost
from engine.storage.projector import Projector
from engine.watchdog.folder import Beat
from tests.engine.core.rig import Rig

LAST = 20
STATE = State(installation="rig", epoch=2)


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    """A journal that ends at event 20, of run 2."""
    made = FileJournal(tmp_path / "journal", fsync=False)
    for seq in range(1, LAST + 1):
        made.append(MAIN_STREAM, seq, seq, b"x")
    made.flush()
    return made


def projected(tmp_path: Path, seq: int, installation: str = "rig") -> str:
    """A projection that knows events up to `seq`."""
    url = f"sqlite:///{tmp_path / 'projection.db'}"
    projector = Projector(url, {}, installation)
    projector.open()
    projector.apply([], seq)
    projector.close()
    return url


def find(journal: FileJournal, url: str = "sqlite:////nowhere/at/all.db", cids: tuple[str, ...] = ()) -> Lost | None:
    return lost.find(journal, STATE, url, cids)


def test_nobody_knows_more_after_a_plain_crash(journal: FileJournal, tmp_path: Path) -> None:
    reduced_in_flight = derive_client_id("rig", 2, LAST + 3, 1)
    assert find(journal, projected(tmp_path, LAST), (reduced_in_flight, "somebody-else", "other-9-9-9")) is None


def test_the_projection_knows_a_later_event(journal: FileJournal, tmp_path: Path) -> None:
    found = find(journal, projected(tmp_path, LAST + 30))
    assert found is not None
    assert found.seq == LAST + 30
    assert "event 20" in found.text
    assert "the projection knows event 50" in found.text


def test_the_projection_of_another_journal_says_nothing(journal: FileJournal, tmp_path: Path) -> None:
    assert find(journal, projected(tmp_path, LAST + 30, "elsewhere")) is None


def test_an_empty_journal_beside_a_projection_was_lost_whole(tmp_path: Path) -> None:
    empty = FileJournal(tmp_path / "journal", fsync=False)
    found = lost.find(empty, State(), projected(tmp_path, 30, "elsewhere"), ())
    assert found is not None
    assert found.seq == 30


def test_the_venue_knows_an_order_of_a_later_run(journal: FileJournal) -> None:
    found = find(journal, cids=(derive_client_id("rig", 7, 900, 1), derive_client_id("rig", 1, 5, 0)))
    assert found is not None
    assert (found.seq, found.epoch) == (900, 7)
    assert "the venue knows event 900 of run 7" in found.text


@pytest.mark.parametrize(("begun", "seq", "known"), [(True, LAST, True), (False, LAST, False), (False, 99, True)])
def test_the_heartbeat_knows_a_later_run_or_event(journal: FileJournal, begun: bool, seq: int, known: bool) -> None:
    """A run that was killed before its first event was on disk is no later run."""
    beat = Beat(installation="rig", epoch=7, number=2, pid=1, wall_ns=1, monotonic_ns=1, seq=seq, begun=begun)
    found = lost.find(journal, STATE, "sqlite:////nowhere/at/all.db", (), beat)
    assert (found is not None) is known
    if found is not None:
        assert "the heartbeat knows event" in found.text


def test_a_later_snapshot_is_evidence_and_never_gone_on_from(journal: FileJournal, tmp_path: Path) -> None:
    longer = FileJournal(tmp_path / "longer", fsync=False)
    for seq in range(1, LAST + 10):
        longer.append(MAIN_STREAM, seq, seq, b"x")
    payload = encode_state(State(installation="rig", epoch=5, seq=LAST + 9))
    longer.save_snapshot(LAST + 9, 1, "b", STATE_VERSION, payload)
    longer.close()
    journal.close()
    (tmp_path / "longer" / "snapshots").rename(tmp_path / "journal" / "snapshots")
    assert not verify(tmp_path / "journal").ok
    found = find(FileJournal(tmp_path / "journal", fsync=False))
    assert found is not None
    assert (found.seq, found.epoch) == (LAST + 9, 5)
    assert [p.suffix for p in (tmp_path / "journal" / "snapshots").iterdir()] == [".lost"]


def test_the_market_stream_went_on_by_more_than_a_crash_may_tear(tmp_path: Path) -> None:
    whole = FileJournal(tmp_path / "whole", fsync=False)
    main = tmp_path / "whole" / "main-00000000000000000001.journal"
    whole.append(MAIN_STREAM, 1, 1, b"x")
    whole.append(MARKET_STREAM, 2, 1, b"y")
    whole.flush()
    early = main.read_bytes()
    for seq in range(3, GROUP_RECORDS + 9):
        whole.append(MARKET_STREAM, seq, seq, b"y")
    whole.flush()
    whole.close()
    main.write_bytes(early)
    (tmp_path / "whole" / "lock").unlink()
    found = find(FileJournal(tmp_path / "whole", fsync=False))
    assert found is not None
    assert found.seq == GROUP_RECORDS + 8
    assert "the market stream" in found.text


def test_a_start_after_a_loss_is_halted_replays_and_is_told_by_the_audit(tmp_path: Path) -> None:
    rig = Rig().start()
    rig.touch()
    rig.kernel.seq += 100
    rig.begin(lost="it ends at event 5, and the projection knows event 105")
    state = rig.core.state
    assert state.latched is TradingState.HALTED
    assert rig.alerts()[-2:] == ["journal_lost", "incident"]
    rig.snapshot()
    rig.touch()
    again = rig.make_core(State())
    replay(rig.kernel.journal.records(), again, with_code=False)  # type: ignore[union-attr]
    assert state_hash(again.state) == state_hash(state)
    folder = tmp_path / "journal"
    on_disk = FileJournal(folder, fsync=False)
    for record in rig.kernel.journal.records():  # type: ignore[union-attr]
        on_disk.append(record.stream, record.seq, record.ts_ns, record.payload)
    on_disk.close()
    report = verify(folder)
    assert report.broken is None
    assert not report.ok
    assert "the end of the journal was lost here" in report.lost[0]
    rig.crash()
    assert rig.core.state.latched is TradingState.HALTED


def test_a_halt_that_was_lost_is_found_by_who_was_told(tmp_path: Path) -> None:
    """What is told is on disk: a projection that is ahead proves that something is missing."""
    rig = Rig().start()
    before = rig.kernel.seq
    assert rig.command(Halt(), "dot").ok
    older = FileJournal(tmp_path / "journal", fsync=False)
    for record in rig.journal.records():
        if record.seq <= before:
            older.append(record.stream, record.seq, record.ts_ns, record.payload)
    older.flush()
    found = lost.find(older, State(installation="rig", epoch=1), projected(tmp_path, rig.kernel.seq), ())
    assert found is not None
    older.close()
