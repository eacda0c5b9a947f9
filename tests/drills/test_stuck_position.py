"""Drill: a position that cannot be closed: the venue refuses, or never answers, while the price falls."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.commands import Flatten
from domain.desired import Desired
from domain.facts import TradingState
from domain.order import Place
from engine.core import orders
from engine.core.step import TIMERS
from exchanges.paper.config import FaultKind, FaultRule, PaperConfig
from tests.drills.report import Figures, carry
from tests.drills.town import BTC, DEPOSIT, MID, SETTINGS, Town
from tests.engine.core.rig import target

FALL = Decimal("0.06")
"""How far the price falls until the venue does as it is asked again."""
QUIET_S, STUCK_S, SETTLED_S = 125, 60, 30
UNASKED = DEPOSIT * SETTINGS.approvals.large_fraction
"""The most that a strategy holds without a vote."""
BOUND = UNASKED * (FALL + 3 * BTC.taker_fee)
REFUSES, DEAF = FaultKind.RATE_LIMIT, FaultKind.DROP_INTENT
WORDS = {REFUSES: "refuses to close it", DEAF: "never answers"}


def hold(kind: FaultKind) -> tuple[Figures, Town]:
    """A long of 48,000 is to be closed by /flatten, and the venue has just stopped doing as it is asked."""
    from_ns = (1_700_000_000 + QUIET_S) * 10**9
    until_ns = from_ns + STUCK_S * 10**9
    fault = FaultRule(fault=kind, probability=1.0, kinds=("place",), from_ns=from_ns, until_ns=until_ns)
    town = Town.with_strategy(Desired(targets=(target(0.8),)), config=PaperConfig(faults=(fault,)))
    for _ in range(5):
        town.price(MID)
    assert town.worth() == 48_000
    town.sent.clear()
    town.say(Flatten(reason="get out"), "dot")
    town.walk(int(MID * (1 - FALL)), STUCK_S)
    assert town.venue_qty, "it was to be stuck"
    town.walk(town.mid, SETTLED_S)
    is_halted = town.core.state.trading is TradingState.HALTED
    ended = f"{'HALTED' if is_halted else 'as before'}, {'flat' if not town.venue_qty else 'still holding'}"
    return Figures(f"stuck position, the venue {WORDS[kind]} for {STUCK_S} s", town.loss(), BOUND, ended), town


def judge(figures: Figures, town: Town) -> None:
    """Halted at once, nothing added meanwhile, flat soon after the venue is back, and people know."""
    assert figures.ended == "HALTED, flat", figures.text()
    assert figures.lost <= figures.bound, figures.text()
    assert not any(intent.adds_risk for intent in town.sent if isinstance(intent, Place))
    assert any("still" in text or "holds" in text for text in town.alerts_of("incident")), town.alerts()


@pytest.mark.parametrize("kind", [REFUSES, DEAF])
def test_a_stuck_position_is_tried_again_until_it_is_closed_and_people_are_told(
    kind: FaultKind, record_property
) -> None:
    figures, town = hold(kind)
    carry(record_property, figures)
    judge(figures, town)


def test_without_trying_again_it_stays_stuck(monkeypatch) -> None:
    monkeypatch.setitem(TIMERS, "retry", lambda *_: None)
    monkeypatch.setattr(orders, "converge", lambda *_: None)
    figures, town = hold(REFUSES)
    with pytest.raises(AssertionError, match="still holding"):
        judge(figures, town)


def test_without_asking_for_lost_orders_it_stays_stuck(monkeypatch) -> None:
    for timer in ("inflight", "snapshot"):
        monkeypatch.setitem(TIMERS, timer, lambda *_: None)
    figures, town = hold(DEAF)
    with pytest.raises(AssertionError, match="still holding"):
        judge(figures, town)
