"""Drill: the price feed is off by ten. At a tenth of the price every limit in money is ten times too wide."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.breakers import Watch
from domain.desired import Desired, Take
from domain.strategy import View
from engine.core.executor import place
from engine.core.matrix.table import key_of
from risk.breaker import BLOCKING
from tests.drills.report import Figures, carry
from tests.drills.town import BTC, MID, POSITION_LIMIT, Town
from tests.engine.core.rig import target

RISE = Decimal("0.03")
"""How far the true price goes against whoever sold."""
BOUND = POSITION_LIMIT * (RISE + 2 * BTC.taker_fee)


def seller(view: View) -> Desired:
    """Sells for 40,000 by the price it sees, again and again: a fall of 90 % is a signal to it."""
    touch = view.bbo(BTC.id)
    if touch is None or 30_000 < touch.bid < 90_000:
        return Desired()
    qty = 40_000 / touch.bid
    limit, expires_ns = touch.bid * 0.999, view.ts_ns + 1_000_000_000
    return Desired(
        takes=(Take(instrument=BTC.id, id=f"{view.ts_ns}", side=-1, qty=qty, limit=limit, expires_ns=expires_ns),)
    )


def hold(factor: str) -> tuple[Figures, Town]:
    """The feed shows `factor` times the price for a minute, in which the true price rises."""
    town = Town.with_strategy(seller)
    town.factor = Decimal(factor)
    town.walk(int(MID * (1 + RISE)), 60)
    breaker = town.core.state.matrix.get(key_of(Watch.VOLATILITY, BTC.id))
    ended = "REDUCED (volatility pause)" if breaker is not None and breaker.state in BLOCKING else "as before"
    return Figures(f"price feed times {factor}", town.loss(), BOUND, ended), town


def judge(figures: Figures, town: Town) -> None:
    """The symbol is paused, and the position never passed its limit by the venue's prices."""
    assert figures.ended.startswith("REDUCED"), figures.text()
    assert town.most_held <= POSITION_LIMIT, f"{town.most_held} held; {figures.text()}"
    assert figures.lost <= figures.bound, figures.text()


@pytest.mark.parametrize("factor", ["0.1", "10"])
def test_a_price_off_by_ten_moves_nothing_past_a_limit(factor: str, record_property) -> None:
    figures, town = hold(factor)
    carry(record_property, figures)
    judge(figures, town)


def test_without_the_band_a_tenth_of_the_price_sells_ten_times_the_limit(monkeypatch) -> None:
    monkeypatch.setattr(place, "check_band", lambda _market: None)
    figures, town = hold("0.1")
    with pytest.raises(AssertionError, match=f"{town.most_held} held"):
        judge(figures, town)
    assert town.most_held > 5 * POSITION_LIMIT


def test_a_target_judged_by_a_wrong_price_is_not_in_force_when_the_price_is_right_again() -> None:
    town = Town.with_strategy()
    town.factor = Decimal("0.1")
    town.script.wants = Desired(targets=(target(-8.0),))
    for _ in range(5):
        town.price(MID)
    assert "PRICE_BAND" in town.refusals()
    town.factor = Decimal(1)
    for _ in range(30):
        town.price(MID)
    assert not town.most_held, "by its true worth it is large, and waits for a vote"
    assert town.slot().parked
