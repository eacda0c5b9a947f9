"""What a strength is worth here and now: the evidence from the state, and the answer of `risk.sizing`."""

from __future__ import annotations

from decimal import Decimal

from domain.account import venue_of
from engine.core import limits, samples
from engine.core.core import Core
from engine.core.executor.exposure import reference
from engine.core.state import Slot
from risk.sizing import Evidence, Sized, daily_volatility, size

ZERO = Decimal(0)
ONE = Decimal(1)
NEWEST_MINUTES = 8 * 60
"""Prices that the volatility is measured on: what is older says little of the next hours."""


def size_of(core: Core, slot: Slot, strength: float) -> Sized:
    """The position that a conviction gives a slot."""
    found = limits.limits_of(core, slot)

    def rule(name: str) -> Decimal:
        if found is not None:
            value = found.rules[name]
        else:
            venue = venue_of(slot.account)
            value = limits.effective(core, name, instrument=slot.instrument, strategy=slot.owner, venue=venue)
        return value if value is not None else ZERO

    owner = core.state.strategies.get(slot.owner)
    seen = Evidence(
        strength=strength,
        equity=core.equity(slot.account),
        price=reference(core, slot)[0],
        base=rule("base_fraction"),
        most=rule("asset_fraction"),
        kelly_min=rule("kelly_min"),
        kelly_max=rule("kelly_max"),
        volatility=volatility(core, slot),
        target_volatility=rule("volatility_target"),
        trades=owner.trades if owner is not None else (),
        share=core.state.shares.get(slot.owner, ONE),
        cut=core.state.cuts.get(slot.owner, ONE),
        part=core.size_fraction(slot),
    )
    return size(seen, core.instruments[slot.instrument])


def volatility(core: Core, slot: Slot) -> float:
    """A day's volatility of a slot's contract from the newest samples, 0 = not known; a gap begins anew."""
    prices = core.state.samples.prices.get(slot.instrument, [])[-NEWEST_MINUTES:]
    if 0 in prices:
        prices = prices[len(prices) - prices[::-1].index(0) :]
    return daily_volatility(prices, samples.step_ns(core, by_hour=False) / 1e9)
