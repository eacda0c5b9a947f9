"""Equity through a period, sample by sample: what it grew by, how deep it fell, its days, and points to draw it by."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from domain.instrument import ZERO
from domain.performance import CurvePoint, Day, Fall, Gap
from domain.settings import DAY_NS, MINUTE_NS

BUCKETS = 400
"""Spans of a thinned curve; of each its first and last point, its highs and its lows are kept."""
GAP_NS = 10 * MINUTE_NS
"""Without a sample for so long nothing is known, and nothing is drawn; with a slower timer for three of its ticks."""
MOST_GAPS = 200
ONE = Decimal(1)
Money: TypeAlias = Decimal | str
"""As the database hands it out: most of it is never looked at, so that it is made a number only when it is."""


class Sample(Struct, frozen=True, gc=False):
    """All accounts at one event; of each, in `books`, what it has open and what it earned and paid since it exists.

    They are unrealised, realised, fees and funding.
    """

    seq: int
    ts_ns: int
    equity: Decimal
    books: tuple[tuple[Money, Money, Money, Money], ...] = ()

    @property
    def unrealised(self) -> Decimal:
        """Open profit."""
        return self._sum(0)

    @property
    def realised(self) -> Decimal:
        """Profit of what was closed, before fees."""
        return self._sum(1)

    @property
    def fees(self) -> Decimal:
        """Paid."""
        return self._sum(2)

    @property
    def funding(self) -> Decimal:
        """Received."""
        return self._sum(3)

    @property
    def deposits(self) -> Decimal:
        """Paid in less paid out, since the beginning."""
        return self.equity - self.unrealised - self.realised + self.fees - self.funding

    def _sum(self, column: int) -> Decimal:
        return sum((Decimal(book[column]) for book in self.books), start=ZERO)


class Curve:
    """Equity through a period: its days, its deepest fall, its growth, and points enough to draw it.

    Every sample passes through `add`: a year has half a million of them.
    """

    def __init__(
        self, first: Sample, end_ns: int, sample_ns: int = MINUTE_NS, flows: Sequence[tuple[int, Decimal]] | None = None
    ) -> None:
        """Begin with the period's first sample; the last one is at `end_ns`, and they are `sample_ns` apart.

        `flows` are the movements of money in and out by seq; without them every sample is asked.
        """
        self.first = self.last = first
        self.gaps: list[Gap] = []
        self.days: list[Day] = []
        self.worst = Fall(peak_ns=first.ts_ns, trough_ns=first.ts_ns)
        self._gap_ns = max(GAP_NS, 3 * sample_ns)
        self._flows = deque(flows) if flows is not None else None
        self._paid_in = self._paid_at_start = first.deposits
        self._day_from, self._tomorrow_ns = first, _tomorrow_ns(first.ts_ns)
        self._peak, self._peak_ns = max(ZERO, first.equity), first.ts_ns
        self._low = self._peak
        self._grown, self._base = ONE, first.equity
        self._closes: list[tuple[int, Decimal]] = []
        self._bucket_ns = max(1, (end_ns - first.ts_ns) // BUCKETS)
        self._points: list[CurvePoint] = []
        self._bucket = _Bucket(self._seen(first), first.ts_ns + self._bucket_ns)

    def add(self, now: Sample) -> None:
        """The next sample."""
        last, ts_ns, equity = self.last, now.ts_ns, now.equity
        if ts_ns >= self._tomorrow_ns:
            self._closes.append((last.ts_ns, self._index(last)))
            self._close_day(now)
        if ts_ns - last.ts_ns > self._gap_ns and len(self.gaps) < MOST_GAPS:
            self.gaps.append(Gap(last.ts_ns, ts_ns))
        flow = self._flow(now)
        if flow:
            self._keep(ts_ns)
            self._paid_in += flow
            self._restate(now, equity - flow)
        if equity >= self._peak:
            self._recover(ts_ns)
            self._peak, self._peak_ns, self._low = equity, ts_ns, equity
        elif equity < self._low:
            self._low = equity
            self._fall(now)
        self.last = now
        bucket = self._bucket
        if ts_ns >= bucket.until_ns:
            self._keep(ts_ns)
            bucket = self._bucket
        bucket.add(self._seen(now))

    def points(self) -> tuple[CurvePoint, ...]:
        """The thinned curve, in order of time."""
        self._keep(self.last.ts_ns)
        return tuple(self._points)

    @property
    def drawdown(self) -> Decimal:
        """At the last sample, as a fraction of the high before it."""
        return _drawdown(self._seen(self.last))

    @property
    def paid_in(self) -> Decimal:
        """What the flows add up to."""
        return self._paid_in - self._paid_at_start

    @property
    def growth(self) -> Decimal | None:
        """Time-weighted return; None where there was no capital."""
        return self._index(self.last) - ONE if self._base > 0 else None

    def closes(self) -> list[tuple[int, Decimal]]:
        """Worth of what was one at the start, at the last sample of every UTC day."""
        return [*self._closes, (self.last.ts_ns, self._index(self.last))]

    def finish(self) -> None:
        """The last sample was added: its day ends with it."""
        if self.last.ts_ns > self._day_from.ts_ns:
            self._close_day(self.last)

    def _flow(self, now: Sample) -> Decimal:
        """Money that came or went since the last sample."""
        if self._flows is None:
            return now.deposits - self._paid_in
        flow = ZERO
        while self._flows and self._flows[0][0] <= now.seq:
            flow += self._flows.popleft()[1]
        return flow

    def _index(self, sample: Sample) -> Decimal:
        return self._grown * sample.equity / self._base if self._base > 0 else self._grown

    def _restate(self, now: Sample, before: Decimal) -> None:
        """Money came or went: `before` would equity have been without it."""
        if self._base > 0 and before > 0:
            self._grown *= before / self._base
        self._base = now.equity
        if before > 0 and now.equity > 0:
            self._peak *= now.equity / before
            self._low *= now.equity / before
        else:
            self._peak, self._peak_ns = max(ZERO, now.equity), now.ts_ns
            self._low = self._peak

    def _recover(self, ts_ns: int) -> None:
        worst = self.worst
        if worst.fraction and worst.peak_ns == self._peak_ns and not worst.recovered_ns:
            self.worst = replace(worst, recovered_ns=ts_ns)

    def _fall(self, now: Sample) -> None:
        """Equity is lower than it has been since its high."""
        if self._peak <= 0:
            return
        lost = self._peak - now.equity
        fraction = lost / self._peak
        if fraction > self.worst.fraction:
            self.worst = Fall(fraction=fraction, amount=lost, peak_ns=self._peak_ns, trough_ns=now.ts_ns)

    def _close_day(self, now: Sample) -> None:
        start, self._day_from, self._tomorrow_ns = self._day_from, now, _tomorrow_ns(now.ts_ns)
        self.days.append(
            Day(
                day=dt.datetime.fromtimestamp(start.ts_ns // DAY_NS * (DAY_NS // 10**9), tz=dt.UTC).date().isoformat(),
                from_ns=start.ts_ns,
                realised=now.realised - start.realised,
                unrealised=now.unrealised - start.unrealised,
                fees=now.fees - start.fees,
                funding=now.funding - start.funding,
                deposits=now.deposits - start.deposits,
                equity=now.equity,
            )
        )

    def _seen(self, now: Sample) -> _Seen:
        return now.ts_ns, now.equity, self._peak, self._paid_in

    def _keep(self, ts_ns: int) -> None:
        """Of the points of one span, those that a drawing must not lose; the next span begins."""
        bucket, start = self._bucket, self.first
        if bucket.first is not None:
            five = (bucket.first, bucket.last, bucket.lowest, bucket.highest, bucket.deepest)
            for seen in sorted({each[0]: each for each in five}.values()):
                profit = seen[1] - start.equity - seen[3] + self._paid_at_start
                self._points.append(CurvePoint(seen[0], seen[1], _drawdown(seen), profit))
        spans = (ts_ns - start.ts_ns) // self._bucket_ns + 1
        self._bucket = _Bucket(None, start.ts_ns + spans * self._bucket_ns)


_Seen: TypeAlias = tuple[int, Decimal, Decimal, Decimal]
"""Time and equity of a sample, the high before it, and what had been paid in."""


class _Bucket:
    """The samples of one span of a thinned curve that may have to be kept."""

    __slots__ = ("deepest", "first", "highest", "last", "lowest", "until_ns")

    def __init__(self, first: _Seen | None, until_ns: int) -> None:
        self.first = first
        self.until_ns = until_ns
        self.last = self.lowest = self.highest = self.deepest = first or _UNSEEN

    def add(self, seen: _Seen) -> None:
        """The next sample in it."""
        self.last = seen
        if self.first is None:
            self.first = self.lowest = self.highest = self.deepest = seen
        elif seen[1] < self.lowest[1]:
            self.lowest = seen
        elif seen[1] > self.highest[1]:
            self.highest = seen
        if seen[2] == self.deepest[2]:
            if seen[1] < self.deepest[1]:
                self.deepest = seen
        elif _drawdown(seen) > _drawdown(self.deepest):
            self.deepest = seen


_UNSEEN: _Seen = (0, ZERO, ZERO, ZERO)


def _drawdown(seen: _Seen) -> Decimal:
    return (seen[2] - seen[1]) / seen[2] if seen[2] > seen[1] and seen[2] > 0 else ZERO


def _tomorrow_ns(ts_ns: int) -> int:
    return (ts_ns // DAY_NS + 1) * DAY_NS
