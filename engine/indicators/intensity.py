"""How often, and how deep, market orders reach into the book: lambda(delta) = A exp(-k delta), fitted as it happens.

Time is cut into steps of 100 ms. Of each step and side it is kept how far behind the touch (as it stood before the
step's first trade) the furthest trade went, counted in cells of `width`. With C_j the steps whose trades went no
further than cell j (C_-1: those without any), m_j = ln(C_j / C_(j-1)) is how many orders end in cell j in a mean step
if orders come as a Poisson stream: what a mere count of steps would miss, because a step keeps only its furthest
order, is put back. Orders whose depth is exponential end in cells that are geometric, and the last cell is "or
beyond", so with n = sum of m_j but the last, S = sum of j m_j and p = exp(-k width)

    k = ln(1 + n / S) / width           maximum likelihood of a geometric law censored at the last cell
    error of k = (1 - p) / (width sqrt(p n))
    A = (sum of m_j) / step * exp(k h)  h = mean half spread: the touch is h away from the mid, where delta is 0

The model is Avellaneda & Stoikov's, Quantitative Finance 8(3), 2008, section 2.5; fitting it near the touch on steps of
100 ms is hftbacktest's practice. Old steps fade with `tau_s`. What lies in the queue before an own order is left out:
an order at the touch is filled more rarely than this says.
"""

from __future__ import annotations

from math import exp, floor, fsum, log, log1p, sqrt
from typing import NamedTuple

from msgspec import Struct, field

SECOND_NS = 1_000_000_000
STEP_NS = 100_000_000
STEP_S = STEP_NS / SECOND_NS
LONGEST_GAP = 600
"""Steps without an event that count as a quiet market; what is longer was no feed."""
FADE_EVERY = 10
"""Steps after which what was counted is scaled down once."""
ON_THE_EDGE = 1e-6
"""Part of a cell by which a price may miss its edge through rounding."""


class Fit(NamedTuple):
    """Market orders that reach `delta` from the mid: `a_per_s` exp(-`k` delta) a second and side; k per price unit."""

    a_per_s: float
    k: float
    arrivals: float
    """Orders that it rests on, the old ones faded."""
    k_error: float
    """Standard error of k."""


class Intensity(Struct):
    """The counts behind a fit, in bounded memory. `cells[j]`: steps whose furthest trade ended in cell j."""

    width: float
    tau_s: float
    cells: list[float] = field(default_factory=lambda: [0.0] * 25)
    steps: float = 0.0
    """Steps seen, both sides counted."""
    half_spreads: float = 0.0
    """Sum of the half spread over them."""
    unfaded: int = 0
    now: int = 0
    """Number of the step in progress since 1970; 0 = none yet."""
    bid: float = 0.0
    ask: float = 0.0
    step_bid: float = 0.0
    step_ask: float = 0.0
    bought: int = -1
    """Furthest cell that buyers reached in this step, -1 = none."""
    sold: int = -1

    def touch(self, ts_ns: int, bid: float, ask: float) -> None:
        """Take a best bid and offer, 0 < bid < ask."""
        if self.now:
            self._advance(ts_ns)
        else:
            self.now = ts_ns // STEP_NS
        self.bid, self.ask = bid, ask
        if self.bought < 0 and self.sold < 0:
            self.step_bid, self.step_ask = bid, ask

    def trade(self, ts_ns: int, price: float, side: int) -> None:
        """Take a trade; `side` is the aggressor's. Before the first touch it says nothing."""
        if not self.now:
            return
        self._advance(ts_ns)
        if side > 0:
            self.bought = max(self.bought, self._cell(price - self.step_ask))
        else:
            self.sold = max(self.sold, self._cell(self.step_bid - price))

    def fit(self) -> Fit | None:
        """A and k as they are now; None while no order, or none beyond the touch, was seen."""
        quiet = max(self.steps - fsum(self.cells), 0.5)
        total = behind = 0.0
        below = quiet
        for j, count in enumerate(self.cells):
            orders = log((below + count) / below)
            below += count
            total += orders
            behind += j * orders
        ended = total - orders
        if not ended > 0.0 or not behind > 0.0:
            return None
        k, arrivals = log1p(ended / behind) / self.width, ended * self.steps
        a_per_s = total / STEP_S * exp(min(k * self.half_spreads / self.steps, 700.0))
        further = behind / (behind + ended)
        return Fit(a_per_s, k, arrivals, (1.0 - further) / (self.width * sqrt(further * arrivals)))

    def _cell(self, beyond: float) -> int:
        """The cell of a price so far beyond the touch; below 0 it did not reach it."""
        return min(floor(beyond / self.width + ON_THE_EDGE), len(self.cells) - 1)

    def _advance(self, ts_ns: int) -> None:
        """End the steps that are over by now."""
        new = ts_ns // STEP_NS
        if new <= self.now:
            return
        gap = new - self.now
        if gap <= LONGEST_GAP:
            if self.bought >= 0:
                self.cells[self.bought] += 1.0
            if self.sold >= 0:
                self.cells[self.sold] += 1.0
            self.steps += 2 * gap
            self.half_spreads += (self.step_ask - self.step_bid) + (gap - 1) * (self.ask - self.bid)
            self.unfaded += gap
            if self.unfaded >= FADE_EVERY:
                self._fade()
        self.now, self.bought, self.sold = new, -1, -1
        self.step_bid, self.step_ask = self.bid, self.ask

    def _fade(self) -> None:
        left = exp(-self.unfaded * STEP_S / self.tau_s)
        self.cells = [count * left for count in self.cells]
        self.steps *= left
        self.half_spreads *= left
        self.unfaded = 0
