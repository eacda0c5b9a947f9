"""Whether the flow knows more than the maker: one-sided volume before fills, and what fills cost after.

Vpin      volume-synchronised probability of informed trading, Easley, Lopez de Prado & O'Hara, Review of Financial
Studies 25(5), 2012: the mean over the last `buckets` buckets of equal volume of |bought - sold| / volume.
Here the aggressor's side is known and not guessed from prices, and a bucket is the volume of a mean
`bucket_s` seconds, measured anew for each. That it forecasts volatility is disputed (Andersen &
Bondarenko 2014); as a measure of how one-sided the flow is it needs no forecast.
Markout   realised spread, Huang & Stoll, Journal of Financial Economics 41(3), 1996: what an own fill has earned
against the fair price `horizon_s` later. A maker whose fills lose on average is picked off.
"""

from __future__ import annotations

from math import exp, expm1, fsum, nan

from msgspec import Struct, field

SECOND_NS = 1_000_000_000
LEAST = 1e-12
"""Of a bucket: after a silence in which all volume has faded."""
MOST_PENDING = 256
"""Fills whose horizon is still to come; older ones are forgotten first."""


class Vpin(Struct):
    """Imbalance of the last `buckets` buckets of volume, 0 (balanced) to 1 (one-sided)."""

    buckets: int
    bucket_s: float
    ring: list[float] = field(default_factory=list)
    at: int = 0
    bought: float = 0.0
    sold: float = 0.0
    size: float = 0.0
    """Volume of the bucket being filled; 0 = the rate of volume is not known yet."""
    began_ns: int = 0
    seen_ns: int = 0
    faded: float = 0.0
    """Volume so far, the old faded."""

    @property
    def ready(self) -> bool:
        """True once all buckets were filled."""
        return len(self.ring) == self.buckets

    @property
    def value(self) -> float:
        """The mean imbalance, NaN until ready."""
        return fsum(self.ring) / self.buckets if self.ready else nan

    def update(self, ts_ns: int, qty: float, side: int) -> None:
        """Take a trade of an aggressor on `side`. One larger than a bucket fills several."""
        usual = self._measure(ts_ns)
        self.faded += qty
        if not self.size:
            if ts_ns - self.began_ns < self.bucket_s * SECOND_NS:
                return
            self.size = usual
        left = qty
        for _ in range(self.buckets + 1):
            part = min(left, self.size - self.bought - self.sold)
            if side > 0:
                self.bought += part
            else:
                self.sold += part
            left -= part
            if self.bought + self.sold < self.size * (1 - 1e-9):
                return
            self._close()
            self.size = usual

    def _measure(self, ts_ns: int) -> float:
        """The mean volume of `bucket_s` seconds before this trade: what is left of the past, by the time it stands for.

        The past fades over as many seconds as all buckets stand for.
        """
        tau_s = self.buckets * self.bucket_s
        if not self.began_ns:
            self.began_ns = self.seen_ns = ts_ns
        self.faded *= exp(-max(0, ts_ns - self.seen_ns) / SECOND_NS / tau_s)
        self.seen_ns = max(ts_ns, self.seen_ns)
        stands_for_s = tau_s * -expm1(-(self.seen_ns - self.began_ns) / SECOND_NS / tau_s)
        return max(self.faded / stands_for_s * self.bucket_s, LEAST) if stands_for_s else LEAST

    def _close(self) -> None:
        imbalance = abs(self.bought - self.sold) / (self.bought + self.sold)
        if len(self.ring) < self.buckets:
            self.ring.append(imbalance)
        else:
            self.ring[self.at] = imbalance
            self.at = (self.at + 1) % self.buckets
        self.bought = self.sold = 0.0


class Pending(Struct, array_like=True, gc=False):
    """An own fill whose horizon is still to come."""

    due_ns: int
    side: int
    price: float


class Markout(Struct):
    """Mean of what own fills have earned `horizon_s` later, as a fraction of price, before fees; old ones fade."""

    horizon_s: float
    fills: int
    """How many fills it remembers; ready with as many."""
    pending: list[Pending] = field(default_factory=list)
    count: int = 0
    mean: float = 0.0

    @property
    def ready(self) -> bool:
        """True once `fills` fills were judged."""
        return self.count >= self.fills

    @property
    def value(self) -> float:
        """Mean gain as a fraction of price, NaN until ready."""
        return self.mean if self.ready else nan

    def fill(self, ts_ns: int, side: int, price: float) -> None:
        """Take an own fill."""
        self.pending.append(Pending(ts_ns + round(self.horizon_s * SECOND_NS), side, price))
        if len(self.pending) > MOST_PENDING:
            del self.pending[0]

    def judge(self, ts_ns: int, fair: float) -> None:
        """Judge the fills whose horizon has come by the fair price (> 0) of now."""
        while self.pending and self.pending[0].due_ns <= ts_ns:
            due = self.pending.pop(0)
            self.count += 1
            gain = due.side * (fair - due.price) / due.price
            self.mean += (gain - self.mean) / min(self.count, self.fills)
