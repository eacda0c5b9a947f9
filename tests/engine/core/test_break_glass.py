"""Break-glass: whoever is linked may stop things with a code and a reason; it never adds risk, and it is looked at."""

from __future__ import annotations

import pytest

from domain import commands as c
from domain.facts import Alerted, Severity, TradingState
from domain.verdict import Reason
from engine.core import glass
from tests.engine.core.rig import ASKING, WIDE, Rig

DAY_S = 86_400


def broken(rig: Rig, person: str = "eve", step: int = 1) -> str:
    """Eve, who may only look, halts; the id of the review."""
    assert rig.command(c.BreakGlass(action="halt", reason="the maker buys everything", step=step), person).ok
    return list(rig.core.state.reviews)[-1]


def test_a_viewer_halts_with_a_code_and_a_reason_and_everybody_is_told() -> None:
    rig = Rig(ASKING).start()
    broken(rig)
    assert rig.core.state.trading is TradingState.HALTED
    alert = next(a for a in rig.told(Alerted) if a.kind == "break_glass")
    assert alert.severity is Severity.CRITICAL
    assert "eve" in alert.text
    assert "the maker buys everything" in alert.text


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (c.BreakGlass(action="halt", reason="fire"), Reason.CODE_NEEDED),
        (c.BreakGlass(action="halt", reason="fire", step=-1), Reason.CODE_WRONG),
        (c.BreakGlass(action="halt", reason=" ", step=1), Reason.REASON_MISSING),
        (c.BreakGlass(action="resume", reason="fire", step=1), Reason.BAD_VALUE),
        (c.BreakGlass(action="flatten", scope="XRP", reason="fire", step=1), Reason.NO_SUCH),
    ],
)
def test_without_code_or_reason_or_for_anything_else_it_stays_closed(command: c.BreakGlass, reason: Reason) -> None:
    rig = Rig(ASKING).start()
    assert rig.command(command, "eve").reason is reason
    assert rig.core.state.trading is TradingState.ACTIVE
    assert rig.core.state.reviews == {}


def test_a_code_breaks_the_glass_once() -> None:
    rig = Rig(ASKING).start()
    broken(rig, step=7)
    assert rig.command(c.BreakGlass(action="halt", reason="again", step=7), "eve").reason is Reason.CODE_USED


def test_a_stranger_breaks_nothing() -> None:
    rig = Rig(ASKING).start()
    done = rig.command(c.BreakGlass(action="halt", reason="fire", step=1), "mallory")
    assert done.reason is Reason.UNKNOWN_PERSON


def test_somebody_else_reviews_it() -> None:
    rig = Rig(ASKING).start()
    due = broken(rig, "bob")
    assert rig.command(c.Review(id=due, note="fine"), "bob").reason is Reason.OWN_REQUEST
    assert rig.command(c.Review(id=due, note=" "), "cem").reason is Reason.REASON_MISSING
    assert rig.command(c.Review(id=due, note="it was right"), "cem").ok
    assert rig.command(c.Review(id=due, note="again"), "ann").reason is Reason.NO_SUCH
    rig.wait(2 * DAY_S)
    assert "review_due" not in rig.alerts()


def test_what_nobody_reviews_is_told_after_a_day_and_daily_also_through_a_restart() -> None:
    rig = Rig(ASKING).start()
    broken(rig)
    rig.wait(DAY_S - 1)
    assert "review_due" not in rig.alerts()
    rig.crash()
    rig.wait(1)
    assert rig.alerts().count("review_due") == 1
    rig.wait(DAY_S)
    assert rig.alerts().count("review_due") == 2


def test_a_late_flatten_halts_and_is_reviewed_like_any_other() -> None:
    rig = Rig(WIDE).start()
    late = rig.command(c.BreakGlass(action="flatten", reason="fire", step=1), "eve", age_s=100)
    assert late.reason is Reason.TOO_OLD
    assert rig.core.state.trading is TradingState.HALTED
    assert "break_glass" in rig.alerts()
    assert [due.person for due in rig.core.state.reviews.values()] == ["eve"]


def test_so_many_wait_for_a_review_and_no_more_and_nobody_crowds_out_another_s() -> None:
    rig = Rig(ASKING).start()
    first = broken(rig, "bob")
    for step in range(1, glass.REMEMBERED_REVIEWS + 11):
        broken(rig, "eve", step)
    waiting = list(rig.core.state.reviews)
    assert len(waiting) == glass.REMEMBERED_REVIEWS
    assert first in waiting
    assert len([name for name in rig.core.state.timers if name.startswith("review:")]) == len(waiting)
    assert rig.alerts().count("review_dropped") == 11
