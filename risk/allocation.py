"""Risk parity over strategies: shares of equity that contribute the same risk, and the cut of what is correlated.

Equal risk contribution (Maillard, Roncalli and Teiletche, "The Properties of Equally Weighted Risk Contribution
Portfolios", J. Portfolio Management 36(4), 2010): x_i (Cx)_i is the same for all i. It is the only minimum of
1/2 x'Cx - sum b_i ln x_i (Spinu, "An Algorithm for Computing Risk Parity Weights", 2013), found by cyclical coordinate
descent (Griveau-Billion, Richard and Roncalli, "A Fast Algorithm for Computing High-dimensional Risk Parity
Portfolios", 2013). Only + - * / and sqrt are used, which round the same everywhere: the shares are part of the state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from math import fsum, sqrt

from msgspec import Struct

from risk.covariance import Matrix, correlation, deviation, mean, shrink

ONE = Decimal(1)
STEP = Decimal("0.0001")
"""Shares are whole multiples of it."""
TOLERANCE = 1e-10
MOST_ROUNDS = 1_000
LEAST_OBSERVATIONS = 100
"""Hours of a strategy's own returns below which nothing is said of its risk."""
LEAST_DEVIATION = 0.1
SMALLEST_CUT = Decimal("0.25")
"""What is left of the size of a strategy that only repeats another: with nothing it could never prove otherwise."""


class Record(Struct, frozen=True, kw_only=True):
    """One strategy, in order of loading: its returns by hour on the equity given to it, newest last."""

    id: str
    returns: Sequence[float]


def equal_risk(covariance: Matrix) -> list[float]:
    """Weights (sum 1) with equal risk contributions. Every variance must be positive."""
    size = len(covariance)
    scale = [sqrt(covariance[i][i]) for i in range(size)]
    corr = [[covariance[i][j] / (scale[i] * scale[j]) for j in range(size)] for i in range(size)]
    part = 1.0 / size
    risk = [sqrt(part)] * size
    """Weight times deviation: the problem on correlations has the same solution, and converges faster."""
    for _ in range(MOST_ROUNDS):
        moved = 0.0
        for i in range(size):
            others = fsum(corr[i][j] * risk[j] for j in range(size) if j != i)
            new = (sqrt(others * others + 4.0 * part) - others) / 2.0
            moved = max(moved, abs(new - risk[i]))
            risk[i] = new
        if moved < TOLERANCE:
            break
    weights = [x / s for x, s in zip(risk, scale, strict=True)]
    total = fsum(weights)
    return [weight / total for weight in weights]


def allocate(records: Sequence[Record]) -> dict[str, Decimal]:
    """Share of equity by strategy, sum at most 1.

    Who has fewer than `LEAST_OBSERVATIONS` returns, or none that differ, is given an equal share; equal risk divides
    what is left among the others, over the hours that all of them have.
    """
    if not records:
        return {}
    known = [r for r in records if is_known(r)]
    equal = ONE / len(records)
    shares = {record.id: rounded(equal) for record in records}
    if len(known) < 2:
        return shares
    weights = equal_risk(floored(shrink(common(known)).covariance))
    left = equal * len(known)
    for record, weight in zip(known, weights, strict=True):
        shares[record.id] = rounded(left * Decimal(weight))
    return shares


def floored(covariance: Matrix) -> Matrix:
    """Raise deviations to `LEAST_DEVIATION` of the largest: who hardly traded is not without risk."""
    least = max(covariance[i][i] for i in range(len(covariance))) * LEAST_DEVIATION**2
    return [[max(c, least) if i == j else c for j, c in enumerate(row)] for i, row in enumerate(covariance)]


def is_known(record: Record) -> bool:
    """Whether a strategy's returns say something of its risk."""
    lately = record.returns[-LEAST_OBSERVATIONS:]
    return len(lately) >= LEAST_OBSERVATIONS and min(lately) < max(lately)


def common(records: Sequence[Record]) -> list[Sequence[float]]:
    """The returns of the hours that all records have."""
    shortest = min(len(record.returns) for record in records)
    return [record.returns[len(record.returns) - shortest :] for record in records]


def rounded(share: Decimal) -> Decimal:
    """A share in whole steps, downwards."""
    return share.quantize(STEP, ROUND_DOWN)


def turnover(old: Mapping[str, Decimal], new: Mapping[str, Decimal]) -> Decimal:
    """Part of equity that changes hands between two allocations: half the sum of all differences."""
    names = dict.fromkeys((*old, *new))
    zero = Decimal(0)
    return sum((abs(new.get(name, zero) - old.get(name, zero)) for name in names), start=zero) / 2


def rebalanced(old: Mapping[str, Decimal], new: Mapping[str, Decimal], band: Decimal) -> dict[str, Decimal]:
    """The new shares when strategies came or went, or when they turn over more than the band; else the old ones."""
    if old.keys() == new.keys() and turnover(old, new) <= band:
        return dict(old)
    return dict(new)


def correlation_cuts(records: Sequence[Record], limits: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """What is left of the size of strategies that are more correlated with another than the limit (1 = not listed).

    `limits` are by strategy (none = not judged); of a pair the lower one holds.

    Of each such pair the one that earned less per unit of its risk over their common hours is cut, of equals the one
    that was loaded later, to (1 - correlation) / (1 - limit): all at the limit, `SMALLEST_CUT` for a mere copy. Of a
    strategy in several pairs the smallest holds. Strategies that are not known (`is_known`) are not judged.
    """
    known = [record for record in records if record.id in limits and is_known(record)]
    cuts: dict[str, Decimal] = {}
    for i, first in enumerate(known):
        for second in known[i + 1 :]:
            one, other = common((first, second))
            rho, limit = Decimal(correlation(one, other)), min(limits[first.id], limits[second.id])
            if rho > limit:
                worse = second.id if earned_per_risk(other) <= earned_per_risk(one) else first.id
                left = rounded(max(SMALLEST_CUT, (1 - rho) / (1 - limit)))
                cuts[worse] = min(left, cuts.get(worse, ONE))
    return cuts


def earned_per_risk(returns: Sequence[float]) -> float:
    """Mean over deviation of the returns (a Sharpe ratio by the hour); 0.0 where they do not vary."""
    apart = deviation(returns)
    return mean(returns) / apart if apart else 0.0
