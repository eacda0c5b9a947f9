"""The emergency, step by step: what opens an incident, that no step can be skipped, and what people are told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain import commands as c
from domain import events as e
from domain.facts import Alerted, CommandDone, Severity, TradingState
from domain.incident import Incident, Stage
from domain.order import RequestSnapshot
from domain.verdict import Reason
from engine.core import incident
from tests.engine.core.rig import ACCOUNT, ASKING, BTC, SUB, Rig, of

ACK, RECOVER = c.AcknowledgeIncident(), c.RecoverIncident()


def flattened(qty: float = 0.5) -> Rig:
    """A trader has closed everything; the closing orders have not been answered."""
    rig = Rig(ASKING).start()
    if qty:
        rig.hold_position(qty)
    assert rig.command(c.Flatten(reason="news"), "dot").ok
    return rig


def newest(rig: Rig) -> Incident:
    return next(reversed(rig.core.state.incidents.values()))


def trading(rig: Rig) -> TradingState:
    return rig.core.state.trading


def agree(rig: Rig, command: c.Command) -> CommandDone:
    asked = rig.command(command, "bob")
    if not asked.request:
        return asked
    rig.command(c.Approve(request=asked.request), "cem")
    return rig.command(c.Approve(request=asked.request), "ann")


def compare(rig: Rig, *accounts: str) -> None:
    rig.wait(1)
    for account in accounts:
        rig.snapshot(account=account)


def test_a_halt_by_a_person_is_no_incident_and_is_resumed_as_ever() -> None:
    rig = Rig(ASKING).start()
    rig.command(c.Halt(), "dot")
    assert not rig.core.state.incidents
    assert agree(rig, c.Resume()).ok
    assert rig.core.state.trading is TradingState.ACTIVE


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (e.InboxOverflow(depth=9), "overflow"),
        (e.DiskLow(free_mib=1, is_full=True), "disk_full"),
        (e.WatchdogActed(epoch=1, acted_ns=1, flattened=True, text="cancelled 2"), "watchdog"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_breach_opens_an_incident_and_everybody_is_told_what_to_do(event: e.Event, kind: str) -> None:
    rig = Rig(ASKING).start()
    rig.ingest(event)
    assert (newest(rig).kind, newest(rig).stage) == (kind, Stage.OPEN)
    (told,) = [fact for fact in rig.told(Alerted) if fact.kind == "incident"]
    assert told.severity is Severity.CRITICAL
    assert "HALTED" in told.text
    assert "/incident ack" in told.text


def test_a_lost_end_of_the_journal_opens_one_too() -> None:
    rig = Rig(ASKING).begin(lost="the venue knew more")
    assert newest(rig).kind == "journal_lost"


def test_no_step_can_be_skipped_and_every_refusal_says_what_is_missing() -> None:
    rig = flattened(0)
    early = rig.command(RECOVER, "bob")
    assert early.reason is Reason.INCIDENT
    assert "/incident ack" in early.text
    refused = rig.command(c.Resume(), "bob")
    assert refused.reason is Reason.INCIDENT
    assert "nobody has acknowledged it" in refused.text
    assert "not reconciled" in refused.text
    assert rig.command(ACK, "dot").ok
    refused = rig.command(c.Resume(), "bob")
    assert "acknowledged, but not reconciled" in refused.text
    assert rig.command(RECOVER, "bob").ok
    assert "under way" in rig.command(c.Resume(), "bob").text
    compare(rig, ACCOUNT, SUB)
    assert newest(rig).stage is Stage.RECOVERED
    assert trading(rig) is TradingState.REDUCING
    assert agree(rig, c.Resume()).ok
    assert newest(rig).stage is Stage.CLOSED
    assert trading(rig) is TradingState.ACTIVE


def test_a_resume_that_was_asked_for_before_the_breach_resumes_nothing_after_it() -> None:
    rig = Rig(ASKING).start()
    rig.command(c.Halt(), "dot")
    asked = rig.command(c.Resume(), "bob").request
    rig.command(c.Approve(request=asked), "cem")
    rig.ingest(e.InboxOverflow(depth=9))
    assert not rig.command(c.Approve(request=asked), "ann").ok
    assert rig.core.state.trading is TradingState.HALTED


def test_every_account_is_asked_and_one_that_has_not_answered_is_waited_for() -> None:
    rig = flattened(0)
    rig.command(ACK, "dot")
    rig.sent.clear()
    rig.command(RECOVER, "bob")
    assert [ask.account for ask in of(rig.sent, RequestSnapshot)] == [ACCOUNT, SUB]
    compare(rig, ACCOUNT)
    assert newest(rig).stage is Stage.RECONCILING
    compare(rig, SUB)
    assert newest(rig).stage is Stage.RECOVERED


def test_a_venue_that_is_down_is_not_waited_for_and_named() -> None:
    rig = flattened(0)
    rig.command(ACK, "dot")
    rig.command(RECOVER, "bob")
    rig.ingest(e.VenueStatus(venue="PAPER", connected=False, detail="gone"))
    assert newest(rig).stage is Stage.RECOVERED
    assert "without PAPER" in newest(rig).steps[-1].text


def test_the_damage_is_what_is_held_what_it_cost_and_what_is_in_doubt() -> None:
    rig = flattened(0.5)
    rig.touch(590_000, 590_010)
    told = rig.command(ACK, "dot").text
    assert "PAPER:main holds 0.500 BTC-USDC-PERP.PAPER, worth 29500.25" in told
    assert "since the breach" in told
    assert "in doubt: its answer never came" in told
    assert newest(rig).damage


def test_some_seconds_later_people_hear_what_was_done_and_what_is_left() -> None:
    rig = flattened(0.5)
    rig.facts.clear()
    rig.wait(4.9)
    assert "incident" not in rig.alerts()
    rig.wait(0.2)
    assert "holds 0.500" in rig.told_alert("incident")


def test_what_breaks_meanwhile_belongs_to_it_and_has_to_be_acknowledged_again() -> None:
    rig = flattened(0)
    rig.command(ACK, "dot")
    rig.ingest(e.InboxOverflow(depth=7))
    assert list(rig.core.state.incidents) == ["I1"]
    assert newest(rig).stage is Stage.OPEN
    assert "goes on (overflow)" in rig.told_alert("incident")
    assert not rig.command(RECOVER, "bob").ok


def test_the_same_again_while_nobody_has_acknowledged_says_nothing_new() -> None:
    rig = flattened(0)
    told = len(rig.alerts())
    for _ in range(300):
        incident.open_(rig.core, "flatten", "dot closes everything: news.", "dot")
    assert len(rig.alerts()) == told
    assert len(newest(rig).steps) == 1


def test_a_second_acknowledgement_says_who_was_first() -> None:
    rig = flattened(0)
    rig.command(ACK, "dot")
    again = rig.command(ACK, "bob")
    assert not again.ok
    assert "dot has acknowledged I1" in again.text


def test_roles_hold_for_the_steps_too() -> None:
    rig = flattened(0)
    assert rig.command(ACK, "eve").reason is Reason.ROLE
    rig.command(ACK, "dot")
    assert rig.command(RECOVER, "dot").reason is Reason.ROLE


def test_a_crash_in_the_middle_loses_no_step_and_the_follow_up_still_comes() -> None:
    rig = flattened(0)
    rig.command(ACK, "dot")
    rig.crash()
    assert newest(rig).stage is Stage.ACKNOWLEDGED
    assert rig.core.state.latched is TradingState.HALTED
    rig.wait(6)
    assert "I1" in rig.told_alert("incident")


def test_the_steps_name_persons_and_times() -> None:
    rig = flattened(0)
    rig.wait(10)
    rig.look_after()
    agree(rig, c.Resume())
    steps = [(step.what, step.by) for step in newest(rig).steps]
    assert steps == [
        ("breach", "dot"),
        ("acknowledged", "dot"),
        ("reconciling", "bob"),
        ("recovered", "engine"),
        ("closed", "bob and cem and ann") if steps[-1][1].count("and") == 2 else ("closed", "cem and ann"),
    ]
    times = [step.ts_ns for step in newest(rig).steps]
    assert times == sorted(times)
    assert times[1] - times[0] >= 10 * 10**9


def test_only_the_newest_incidents_are_remembered() -> None:
    rig = Rig(ASKING).start()
    for _ in range(incident.REMEMBERED + 3):
        rig.command(c.Flatten(), "dot")
        rig.look_after()
        agree(rig, c.Resume())
    assert len(rig.core.state.incidents) == incident.REMEMBERED
    assert newest(rig).id == f"I{incident.REMEMBERED + 3}"
    assert all(found.equity == Decimal(2_000_000) for found in rig.core.state.incidents.values())


def test_a_halt_while_it_is_reconciled_stays_a_halt() -> None:
    rig = flattened(0)
    rig.command(ACK, "dot")
    rig.command(RECOVER, "bob")
    rig.command(c.Halt(reason="wait"), "dot")
    compare(rig, ACCOUNT, SUB)
    assert newest(rig).stage is Stage.RECOVERED
    assert rig.core.state.trading is TradingState.HALTED
    assert agree(rig, c.Resume()).ok


def test_an_incident_of_one_venue_lets_a_halt_of_nothing_else_wait() -> None:
    rig = Rig(ASKING).start()
    held = e.VenuePosition(instrument=BTC.id, qty=500, entry_value=Decimal(30_000))
    for _ in range(2):
        rig.wait(3)
        rig.snapshot(positions=(held,))
    assert (newest(rig).kind, newest(rig).venue) == ("position_mismatch", "PAPER")
    assert rig.command(c.Resume(venue="PAPER"), "bob").reason is Reason.INCIDENT


def test_an_incident_with_more_steps_than_are_kept_can_still_be_acknowledged_twice() -> None:
    rig = flattened(0)
    for number in range(incident.MOST_STEPS + 1):
        rig.ingest(e.InboxOverflow(depth=number))
    assert rig.command(ACK, "dot").ok
    again = rig.command(ACK, "bob")
    assert again.reason is Reason.WRONG_STATE
    assert "dot has acknowledged" in again.text


@pytest.mark.parametrize("build", ["b", "another"])
def test_a_persons_halt_is_not_lifted_by_the_steps_of_an_incident_that_came_after_it(build: str) -> None:
    rig = Rig(ASKING).start()
    rig.command(c.Halt(), "ann")
    assert rig.command(c.Flatten(scope=BTC.id), "bob").ok
    rig.crash(build)
    compare(rig, ACCOUNT, SUB)
    assert rig.command(ACK, "bob").ok
    assert rig.command(RECOVER, "bob").ok
    compare(rig, ACCOUNT, SUB)
    assert newest(rig).stage is Stage.RECOVERED
    assert rig.core.state.latched is TradingState.HALTED
    assert agree(rig, c.Resume()).ok
    assert trading(rig) is TradingState.ACTIVE
    assert rig.core.state.halted_by == ""


def test_with_all_steps_taken_the_same_breach_again_alerts_nobody_and_another_kind_still_does() -> None:
    rig = flattened(0)
    for number in range(incident.MOST_STEPS + 1):
        rig.ingest(e.InboxOverflow(depth=number))
    said, kept = rig.alerts().count("incident"), len(newest(rig).steps)
    for _ in range(3):
        rig.ingest(e.InboxOverflow(depth=7_777))
    assert rig.alerts().count("incident") == said
    for _ in range(3):
        incident.open_(rig.core, "key_lost", "a key is gone.")
    assert len(newest(rig).steps) == kept + 1
    assert [alert.text for alert in rig.core.facts if isinstance(alert, Alerted) and alert.kind == "incident"] == [
        f"{newest(rig).id} goes on (key_lost): a key is gone. Next: somebody looks after it and says so: /incident ack."
    ]
