"""The report of an incident from the journal: who, what, when, which orders and fills, what it cost, on which chain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domain import commands as c
from domain.errors import MoonDevError
from engine.core.journal import FileJournal, verify
from engine.emergency.keeper import preserve
from engine.emergency.report import as_markdown, build, write
from tests.engine.core.rig import ASKING, Rig, places, target, wants


def flattened(*, over: bool) -> Rig:
    """A position was closed at a loss in an emergency; afterwards people went through the steps."""
    rig = Rig(ASKING).start()
    rig.hold_position(0.5)
    rig.command(c.Halt(reason="long before"), "dot")
    rig.command(c.Approve(request=rig.command(c.Resume(), "bob").request), "cem")
    rig.command(c.Approve(request="R1"), "ann")
    rig.wait(300)
    rig.touch(590_000, 590_010)
    rig.sent.clear()
    rig.command(c.Flatten(reason="news"), "dot")
    for place in places(rig.sent):
        rig.accept(place)
        rig.fill(place, price=590_000)
    rig.wait(6)
    rig.look_after()
    if over:
        asked = rig.command(c.Resume(), "bob").request
        rig.command(c.Approve(request=asked), "cem")
        rig.command(c.Approve(request=asked), "ann")
        rig.wait(60)
        rig.command(c.Halt(reason="long after"), "dot")
    return rig


def folder_of(rig: Rig, data: Path) -> Path:
    journal = FileJournal(data / "journal", fsync=False)
    for record in rig.journal.records():
        journal.append(record.stream, record.seq, record.ts_ns, record.payload)
    journal.close()
    return data / "journal"


def test_it_tells_who_did_what_when_and_what_it_cost(tmp_path: Path) -> None:
    folder = folder_of(flattened(over=True), tmp_path)
    report = build(folder, "i1")
    assert (report.kind, report.stage) == ("flatten", "closed")
    assert report.persons[:2] == ("dot", "bob")
    assert {"cem", "ann"} <= set(report.persons)
    assert report.fills == 1
    assert report.realised == -500
    assert [step.what for step in report.steps] == ["breach", "acknowledged", "reconciling", "recovered", "closed"]
    text = " ".join(entry.text for entry in report.timeline)
    assert "HALTED: news" in text
    assert "long before" not in text
    assert "long after" not in text
    [order] = [entry for entry in report.timeline if entry.what == "fill"]
    assert "-0.500 BTC-USDC-PERP.PAPER at 59000.0" in order.text
    times = [entry.ts_ns for entry in report.timeline]
    assert times == sorted(times)


def test_it_rests_on_the_audit_chain_and_is_the_same_each_time(tmp_path: Path) -> None:
    folder = folder_of(flattened(over=True), tmp_path)
    report = build(folder, "")
    assert (report.audit_head, report.audit_ok) == (verify(folder).head, True)
    assert build(folder, "I1") == report
    assert report.audit_head in as_markdown(report)


def test_one_that_is_open_is_told_up_to_now(tmp_path: Path) -> None:
    report = build(folder_of(flattened(over=False), tmp_path), "I1")
    assert (report.stage, report.closed_ns) == ("recovered", 0)
    assert "it is open" in as_markdown(report)
    assert "no position is held" in report.left


def test_it_is_written_as_markdown_and_json(tmp_path: Path) -> None:
    report = build(folder_of(flattened(over=True), tmp_path), "I1")
    markdown, data = write(tmp_path, report)
    assert "# Incident I1: flatten" in markdown.read_text()
    assert "| closed |" in markdown.read_text()
    assert json.loads(data.read_text())["id"] == "I1"


def test_an_incident_that_is_not_known_is_refused_with_those_that_are(tmp_path: Path) -> None:
    folder = folder_of(flattened(over=False), tmp_path)
    with pytest.raises(MoonDevError, match="there are I1"):
        build(folder, "I7")


def test_a_journal_without_an_incident_says_so(tmp_path: Path) -> None:
    with pytest.raises(MoonDevError, match="there has been no incident"):
        build(folder_of(Rig(ASKING).start(), tmp_path), "")


def test_a_snapshot_right_behind_a_decision_is_no_hole(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal", fsync=False)
    rig = Rig(ASKING, journal)  # type: ignore[arg-type]
    rig.kernel.wait_for_disk = False
    rig.start()
    rig.command(c.Flatten(reason="news"), "dot")
    rig.want(wants(target(0.5)))
    rig.kernel.snapshot()
    rig.wait(6)
    journal.close()
    assert build(tmp_path / "journal", "").id == "I1"


def test_the_state_is_preserved_beside_the_reports(tmp_path: Path) -> None:
    assert preserve(tmp_path, "I1") is None
    snapshots = tmp_path / "journal" / "snapshots"
    snapshots.mkdir(parents=True)
    (snapshots / f"snapshot-{7:020d}.snapshot").write_bytes(b"state")
    kept = preserve(tmp_path, "I1")
    assert kept is not None
    assert kept.read_bytes() == b"state"
