"""Rule 9 outside the process: the venue's dead-man's switch, where it has one and where it strips no position."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from domain import events as e
from domain.order import ArmDeadMan, OrderKind
from domain.settings import SECOND_NS
from domain.venue import VenueCaps
from engine.core import deadman
from tests.engine.core.rig import BTC, SETTINGS, SPEC, Rig, of, places, quote, stop, target, wants


def dead_man(seconds: int = 60, *, has_one: bool = True) -> Rig:
    rig = Rig(replace(SETTINGS, execution=replace(SETTINGS.execution, dead_man_ns=seconds * SECOND_NS)))
    rig.begin().ingest(e.VenueOpened(venue="PAPER", caps=VenueCaps(dead_man=has_one)))
    rig.snapshot()
    rig.load(SPEC)
    rig.sent.clear()
    return rig


def test_the_dead_mans_switch_is_pushed_out_while_we_live() -> None:
    rig = dead_man()
    rig.wait(61)
    armed = of(rig.sent, ArmDeadMan)
    assert len(armed) >= 3
    assert all(arm.deadline_ns - rig.now_ns <= 60 * SECOND_NS for arm in armed)
    assert armed[-1].deadline_ns > rig.now_ns + 30 * SECOND_NS


def test_the_dead_mans_switch_is_not_armed_over_a_protection() -> None:
    """Cancelling everything would strip the position of its stop."""
    rig = dead_man()
    rig.wait(1)
    rig.hold_position(0.5)
    for place in places(rig.want(wants(target(0.5, "start"), stop(59_000.0, "start")))):
        rig.accept(place)
    rig.sent.clear()
    rig.wait(120)
    switched = [arm.deadline_ns for arm in of(rig.sent, ArmDeadMan)]
    assert set(switched) == {0}
    assert len(switched) <= 4, "said again only until the last deadline is over"


def test_a_protection_disarms_the_switch_at_once_and_not_at_the_next_round() -> None:
    rig = dead_man(600)
    rig.wait(1)
    rig.hold_position(0.5)
    rig.want(wants(target(0.5, "start"), stop(59_000.0, "start")))
    kinds = [type(intent).__name__ for intent in rig.sent]
    assert "ArmDeadMan" in kinds
    assert kinds.index("ArmDeadMan") < kinds.index("Place")
    assert of(rig.sent, ArmDeadMan)[0].deadline_ns == 0


def test_with_the_condition_switched_off_the_stop_would_be_at_the_switchs_mercy(monkeypatch) -> None:
    monkeypatch.setattr(deadman, "would_strip", lambda core, account: False)
    rig = dead_man()
    rig.hold_position(0.5)
    rig.want(wants(target(0.5, "start"), stop(59_000.0, "start")))
    rig.sent.clear()
    rig.wait(25)
    assert of(rig.sent, ArmDeadMan)[-1].deadline_ns != 0


def test_what_the_dead_man_cancelled_is_put_back_when_it_is_still_wanted() -> None:
    rig = dead_man()
    (resting,) = places(rig.want(wants(quote(1, 59_990.0))))
    rig.accept(resting)
    rig.sent.clear()
    rig.ingest(e.Cancelled(cid=resting.cid, text="dead man", venue_ts_ns=rig.now_ns))
    assert [place.price for place in places(rig.sent)] == [599_900]


def test_a_venue_without_a_switch_is_not_asked_for_one() -> None:
    rig = dead_man(has_one=False)
    rig.wait(61)
    assert of(rig.sent, ArmDeadMan) == []


def test_before_the_venue_has_answered_nothing_is_armed() -> None:
    rig = Rig(replace(SETTINGS, execution=replace(SETTINGS.execution, dead_man_ns=60 * SECOND_NS))).begin()
    rig.ingest(e.VenueOpened(venue="PAPER", caps=VenueCaps(dead_man=True)))
    rig.wait(5)
    assert of(rig.sent, ArmDeadMan) == []


def test_a_strangers_stop_at_the_venue_keeps_the_switch_off_too() -> None:
    rig = dead_man()
    rig.wait(1)
    theirs = e.OpenOrder(
        cid="oid-7", instrument=BTC.id, side=-1, kind=OrderKind.STOP, price=0, trigger=550_000, qty=100, filled=0,
        reduce_only=True,
    )  # fmt: skip
    rig.snapshot(orders=(theirs,))
    rig.sent.clear()
    rig.wait(120)
    assert {arm.deadline_ns for arm in of(rig.sent, ArmDeadMan)} == {0}


@pytest.mark.parametrize("late_s", [-5, 5])
def test_that_it_has_fired_is_told_once(late_s: int) -> None:
    """An order that nobody here cancelled is gone; after the deadline, that was the switch."""
    rig = dead_man()
    rig.wait(1)
    deadline_ns = of(rig.sent, ArmDeadMan)[-1].deadline_ns
    resting = places(rig.want(wants(quote(1, 59_990.0), quote(1, 59_980.0, level=1))))
    for place in resting:
        rig.accept(place)
        rig.ingest(e.Cancelled(cid=place.cid, venue_ts_ns=deadline_ns + late_s * SECOND_NS))
    assert rig.alerts().count("dead_man") == (1 if late_s > 0 else 0)


def test_that_it_fired_while_nobody_listened_is_found_in_the_snapshot() -> None:
    rig = dead_man()
    rig.wait(1)
    (resting,) = places(rig.want(wants(quote(1, 59_990.0))))
    rig.accept(resting)
    rig.now_ns += 90 * SECOND_NS
    rig.snapshot()
    assert rig.alerts().count("dead_man") == 1


def test_settings_without_a_time_switch_it_off() -> None:
    rig = dead_man()
    rig.wait(1)
    rig.sent.clear()
    settings = rig.core.state.settings
    rig.core.state.settings = replace(settings, execution=replace(settings.execution, dead_man_ns=0))
    deadman.apply_settings(rig.core)
    rig.wait(90)
    assert [arm.deadline_ns for arm in of(rig.sent, ArmDeadMan)] == [0]
