"""Rule 5: the fewer actions a venue leaves an account, the further off its quotes may be before they are moved."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from domain.desired import Desired, Protection
from domain.facts import Alerted, Severity, TradingState
from domain.order import Amend, Cancel, Intent, Place
from domain.venue import BudgetLeft
from engine.core import budgets, trading
from engine.core.core import Core
from engine.core.recovery import recover, replay, state_hash
from engine.core.state import State
from engine.desk_views import status
from tests.engine.core.rig import ACCOUNT, BTC, SETTINGS, Rig, of, places, quote, target, wants
from tests.engine.core.test_quoting import answer

LEFT = (9_000, 4_500, 2_250, 900, 450)
"""What is left at each step."""
BID = 59_400.0


def say(rig: Rig, step: int) -> None:
    rig.ingest(BudgetLeft(account=ACCOUNT, left=LEFT[step], full=9_000, step=step))


def resting(step: int, rig: Rig | None = None) -> Rig:
    """One bid rests, then the venue says how much is left. The reference is 60,000.5: a basis point is 6.0."""
    rig = rig or Rig().start()
    rig.want(wants(quote(1, BID)))
    answer(rig)
    say(rig, step)
    return rig


def move(rig: Rig, by: float) -> list[Intent]:
    return rig.want(wants(quote(1, BID + by)))


@pytest.mark.parametrize(("step", "reach"), [(1, 12.0), (2, 24.0), (3, 48.0), (4, 96.0)])
def test_a_quote_within_the_wider_tolerance_stays_and_one_beyond_it_is_moved(step: int, reach: float) -> None:
    rig = resting(step)
    assert move(rig, reach) == move(rig, -reach) == []
    assert of(move(rig, -reach - 0.1), Amend) != []


def test_with_plenty_left_every_tick_counts_and_so_it_does_again_when_more_was_earned() -> None:
    rig = resting(0)
    assert of(move(rig, 0.1), Amend) != []
    answer(rig)
    say(rig, 4)
    assert move(rig, 0.2) == []
    say(rig, 0)
    assert of(move(rig, 0.3), Amend) != []


def test_the_settings_may_forbid_it_and_the_ticks_come_on_top() -> None:
    never = replace(SETTINGS, execution=replace(SETTINGS.execution, quote_widening=0))
    rig = resting(4, Rig(never).start())
    assert of(move(rig, 0.1), Amend) != []
    assert "moved as ever (quote_widening is 0)" in rig.told_alert("actions_left")
    ticks = replace(SETTINGS, execution=replace(SETTINGS.execution, quote_tolerance_ticks=5))
    rig = resting(1, Rig(ticks).start())
    assert move(rig, 12.5) == []
    assert move(rig, 12.6) != []


def test_what_is_not_wanted_any_more_is_cancelled_and_a_position_protected_and_closed_as_ever() -> None:
    rig = resting(4)
    assert len(of(rig.want(Desired()), Cancel)) == 1
    answer(rig)
    rig.sent.clear()
    stop = Protection(instrument=BTC.id, entry="e", stop=59_000.0)
    (place,) = places(rig.want(wants(target(0.1, "e"), stop)))
    rig.accept(place)
    rig.sent.clear()
    rig.fill(place)
    (guard,) = places(rig.sent)
    rig.accept(guard)
    tighter = replace(stop, stop=59_000.1)
    (amend,) = of(rig.want(wants(target(0.1, "e"), tighter)), Amend)
    assert amend.trigger == 590_001
    (out,) = places(rig.want(wants(target(0.0, "e"))))
    assert (out.side, out.qty) == (-1, 100)


def test_quotes_that_may_only_reduce_are_moved_as_ever() -> None:
    rig = Rig().start()
    rig.hold_position(0.1)
    say(rig, 4)
    trading.latch(rig.core, TradingState.REDUCING, "test", "test")
    (place,) = places(rig.want(wants(quote(-1, 60_600.0))))
    assert isinstance(place, Place)
    assert place.reduce_only
    rig.accept(place)
    assert of(rig.want(wants(quote(-1, 60_599.9))), Amend) != []


def test_people_hear_of_each_step_once_and_status_says_where_it_stands() -> None:
    rig = resting(3)
    say(rig, 3)
    say(rig, 1)
    say(rig, 0)
    told = [(alert.severity, alert.text) for alert in rig.told(Alerted) if alert.kind == "actions_left"]
    means = "of 9,000). Quotes are moved only when they are more than {} bp off; "
    means += "cancels, stops and whatever reduces go as ever."
    assert told == [
        (Severity.WARNING, "PAPER:main has at most 10 % of its actions left (900 " + means.format(8)),
        (Severity.INFO, "PAPER:main has at most 50 % of its actions left (4,500 " + means.format(2)),
        (Severity.INFO, "PAPER:main has actions enough again (9,000). Quotes are moved as ever."),
    ]
    assert status(rig.core, rig.now_ns, "").budgets == ()
    say(rig, 4)
    (row,) = status(rig.core, rig.now_ns, "").budgets
    assert row.startswith("PAPER:main has at most 5 % of its actions left (450 of 9,000).")


def test_of_an_account_that_is_not_configured_and_of_steps_that_are_none_nothing_comes() -> None:
    rig = resting(0)
    rig.ingest(BudgetLeft(account="PAPER:other", left=0, full=1, step=4))
    assert rig.alerts() == []
    rig.ingest(BudgetLeft(account=ACCOUNT, left=-5, full=0, step=99))
    assert move(rig, 96.0) == []
    rig.ingest(BudgetLeft(account=ACCOUNT, left=0, full=0, step=-3))
    assert of(move(rig, 0.1), Amend) != []
    assert budgets.widening(rig.core, rig.slot()) == 0


def test_a_replay_and_a_restart_know_it() -> None:
    rig = resting(2)
    move(rig, 20.0)
    move(rig, -30.0)
    answer(rig)
    again = Core(State())
    replay(rig.journal.records(), again, with_code=False)
    assert state_hash(again.state) == state_hash(rig.core.state)
    rig.kernel.snapshot()
    after, _ = recover(rig.journal, rig.make_core, "b")
    assert budgets.widening(after, after.slot(ACCOUNT, BTC.id)) == 240
