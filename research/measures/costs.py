"""What trading cost, how much was turned over, how much was at stake."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from research.measures.curve import Curve
from risk.statistics import DAYS_A_YEAR

BPS = 10_000


class Costs(Struct, frozen=True, kw_only=True):
    """Money in the account's currency; basis points are of the notional that was turned over.

    gross = net + fees - funding: what prices alone would have earned. `slippage` is the part of it that went into
    fills worse (positive) than the last price when the order was decided on: it is in `gross` already.
    """

    gross: float
    fees: float
    funding: float
    """Received; negative where it was paid."""
    net: float
    traded: float
    slippage: float | None = None
    share_of_gross: float | None = None
    """(fees - funding) / gross; None where prices alone earned nothing."""
    gross_bps: float | None = None
    """What one side of a trade earned before costs: costs above this leave nothing. None where nothing was traded."""
    fees_bps: float | None = None
    slippage_bps: float | None = None


def costs(net: float, fees: float, funding: float, traded: float, slippage: float | None = None) -> Costs:
    """The costs of a run."""
    gross = net + fees - funding
    per_side = BPS / traded if traded > 0 else None
    return Costs(
        gross=gross,
        fees=fees,
        funding=funding,
        net=net,
        traded=traded,
        slippage=slippage,
        share_of_gross=(fees - funding) / gross if gross > 0 else None,
        gross_bps=gross * per_side if per_side else None,
        fees_bps=fees * per_side if per_side else None,
        slippage_bps=slippage * per_side if per_side and slippage is not None else None,
    )


class Exposure(Struct, frozen=True, kw_only=True):
    """How much was at stake, as multiples of equity at the samples; None where a result does not say."""

    time_in_market: float
    """Share of the time with any position."""
    gross_mean: float | None = None
    gross_most: float | None = None
    net_mean: float | None = None
    turnover_a_day: float | None = None
    """Notional traded a day over mean equity."""
    turnover_a_year: float | None = None


def exposure(time_in_market: float, equity: Curve, gross: Curve, net: Curve, traded: float) -> Exposure:
    """Exposure and turnover; samples without equity are left out."""
    mean = float(equity.values.mean()) if len(equity.values) else 0.0
    a_day = traded / mean / equity.days if mean > 0 and equity.days > 0 else None
    leverage, lean = multiples(gross, equity), multiples(net, equity)
    return Exposure(
        time_in_market=time_in_market,
        gross_mean=float(leverage.values.mean()) if len(leverage.values) else None,
        gross_most=float(leverage.values.max()) if len(leverage.values) else None,
        net_mean=float(lean.values.mean()) if len(lean.values) else None,
        turnover_a_day=a_day,
        turnover_a_year=a_day * DAYS_A_YEAR if a_day is not None else None,
    )


def multiples(worth: Curve, equity: Curve) -> Curve:
    """Worth as a multiple of the equity at the same time."""
    if not len(worth.times) or not len(equity.times):
        return Curve(times=worth.times[:0], values=worth.values[:0])
    last = np.searchsorted(equity.times, worth.times, side="right") - 1
    at = equity.values[np.maximum(last, 0)]
    known = at > 0
    return Curve(times=worth.times[known], values=worth.values[known] / at[known])
