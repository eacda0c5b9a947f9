"""Drill: a strategy runs away and wants 10,000 orders a second, buying at the ask and selling at the bid (Knight)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.desired import Desired, Take
from domain.settings import Settings
from domain.strategy import View, Wake
from tests.drills.report import Figures, carry
from tests.drills.town import BTC, HALF_SPREAD, MID, ORDER_LIMIT, SETTINGS, Town

A_SECOND = 10_000
WAKES = 100
SECONDS = 2
STREAK = 10
"""Losing trades in a row after which a strategy opens nothing new (rule `consecutive_losses`)."""
ROUND_TRIP = 2 * (BTC.taker_fee + Decimal(HALF_SPREAD) / MID)
BOUND = (STREAK + 1) * ORDER_LIMIT * ROUND_TRIP
"""Every losing trade at the size of the largest order, and one more that was under way."""

MOST_MESSAGES = (SETTINGS.risk.messages_per_window + SETTINGS.risk.reserve_messages) * (SECONDS + 1)
"""Of every window that is touched; what reduces has a reserve."""


class Runaway:
    """Wants to buy and to sell in turn, a hundred orders every ten milliseconds, each of them dear."""

    def __init__(self, qty: float) -> None:
        self.wanted = 0
        self.qty = qty

    def __call__(self, view: View) -> Desired:
        """The next hundred at every price; fills are nothing to it."""
        if view.wake is Wake.FILL:
            return view.desired
        return Desired(takes=tuple([self.take(view.ts_ns) for _ in range(A_SECOND // WAKES)]))

    def take(self, now_ns: int) -> Take:
        """One more, on the other side."""
        self.wanted += 1
        side = 1 if self.wanted % 2 else -1
        limit = MID / 10 * (1 + side * 0.001)
        expires_ns = now_ns + 20_000_000
        return Take(
            instrument=BTC.id, id=f"t{self.wanted}", side=side, qty=self.qty, limit=limit, expires_ns=expires_ns
        )


def hold(settings: Settings = SETTINGS, qty: float = 0.8, seconds: float = SECONDS) -> tuple[Figures, Town]:
    """Let it run away for some seconds of a market that stands still."""
    runaway = Runaway(qty)
    town = Town.with_strategy(runaway, settings)
    for _ in range(int(seconds * WAKES)):
        town.price(MID, after_s=1 / WAKES)
    assert runaway.wanted >= seconds * A_SECOND
    town.script.wants = Desired()
    town.price(MID, after_s=5)
    refused = town.refusals()
    ended = "REDUCED (losing streak)" if "LOSING_STREAK" in refused else "as before"
    figures = Figures(f"runaway, {A_SECOND:,} orders a second wanted, {town.placed} sent", town.loss(), BOUND, ended)
    return figures, town


def judge(figures: Figures, town: Town) -> None:
    """Reduced, within the bound, and never faster than the venue and the limit allow."""
    assert figures.lost <= figures.bound, figures.text()
    assert figures.ended.startswith("REDUCED"), figures.text()
    assert town.most_held <= ORDER_LIMIT
    assert town.placed <= MOST_MESSAGES


def test_a_runaway_strategy_is_stopped_by_its_losing_streak_within_seconds(record_property) -> None:
    figures, town = hold()
    carry(record_property, figures)
    judge(figures, town)


def test_without_the_losing_streak_the_loss_passes_the_bound() -> None:
    patient = {"consecutive_losses": Decimal(10_000)}
    figures, town = hold(replace(SETTINGS, risk=replace(SETTINGS.risk, portfolio=patient)))
    with pytest.raises(AssertionError, match="drill runaway"):
        judge(figures, town)


def test_small_orders_are_held_to_the_message_limit_and_without_it_the_venue_gets_thousands() -> None:
    patient = {"consecutive_losses": Decimal(10_000)}
    _, town = hold(replace(SETTINGS, risk=replace(SETTINGS.risk, portfolio=patient)), qty=0.001)
    assert town.placed <= MOST_MESSAGES
    talkative = {**patient, "messages_per_s": Decimal(10_000)}
    risk = replace(SETTINGS.risk, portfolio=talkative, messages_per_window=10_000)
    _, town = hold(replace(SETTINGS, risk=risk), qty=0.001, seconds=0.3)
    assert town.placed > 4 * MOST_MESSAGES
