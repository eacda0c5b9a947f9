"""What doors saw and refused is in the journal, and people hear of what was forged."""

from __future__ import annotations

from domain.facts import Alerted, Severity
from domain.security import PressRefused, SecurityBreach
from tests.engine.core.rig import Rig


def test_a_forged_press_is_told_to_everybody_and_stays_in_the_journal() -> None:
    rig = Rig().start()
    rig.ingest(SecurityBreach(source="telegram", text="a forged button for R1, pressed by dot"))
    alert = rig.told(Alerted)[-1]
    assert (alert.severity, alert.kind) == (Severity.CRITICAL, "security")
    assert "forged button for R1" in alert.text
    assert any(b"forged button" in record.payload for record in rig.journal.records())


def test_a_press_that_does_not_count_is_recorded_quietly() -> None:
    rig = Rig().start()
    rig.ingest(PressRefused(source="discord", who="999", request="R1", text="unknown person"))
    alert = rig.told(Alerted)[-1]
    assert (alert.severity, alert.kind) == (Severity.INFO, "press_refused")
    assert "999 on R1: unknown person" in alert.text
