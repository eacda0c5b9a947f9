"""Counts a period's performance from samples, fills and cash movements, one after the other; knows no database.

Samples are of all accounts together; see `domain.performance` for what the figures mean.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from domain.account import venue_of
from domain.facts import CashKind, EquitySampled, FactKey, PositionSampled
from domain.instrument import ZERO
from domain.performance import Day, Part, Performance
from engine.curve import Curve
from risk.statistics import RoundTrips, profit_factor, sharpe, sortino, win_rate

NOBODY = "not attributed"


class FillRow(Struct, frozen=True, gc=False):
    """One own fill, quantity and price in integer scale."""

    ts_ns: int
    account: str
    instrument: str
    owner: str
    side: int
    qty: int
    fee: Decimal
    realised: Decimal
    price: int


class CashRow(Struct, frozen=True, gc=False):
    """Money that moved without a fill."""

    kind: str
    account: str
    instrument: str
    owner: str
    amount: Decimal


class HeldRow(Struct, frozen=True, gc=False):
    """A position that was open at a sample."""

    account: str
    instrument: str
    owner: str
    qty: int
    unrealised: Decimal


class Now(Struct, frozen=True, kw_only=True):
    """The books as they stand, behind everything up to `told`: the last sample of a period that has not ended."""

    seq: int
    ts_ns: int
    told: FactKey
    sample_ns: int
    equity: tuple[EquitySampled, ...]
    held: tuple[PositionSampled, ...]


class _Share:
    """What one strategy earned at one account in one instrument."""

    def __init__(self) -> None:
        self.realised = self.unrealised = self.fees = self.funding = ZERO
        self.fills = self.trades = self.wins = 0


class Book:
    """Who earned what: fills, cash and open profit by strategy, account and instrument, and the round trips."""

    def __init__(self, held: Iterable[HeldRow]) -> None:
        """Begin with what was open at the first sample."""
        self._shares: dict[tuple[str, str, str], _Share] = {}
        self._trips: dict[tuple[str, str], RoundTrips] = {}
        self.gross_profit = self.gross_loss = ZERO
        self.trades = self.wins = self.fills = 0
        self.trade_times: list[int] = []
        for row in held:
            self._share(row).unrealised -= row.unrealised
            self._trips[row.account, row.instrument] = RoundTrips(held=row.qty)

    def open_at_start(self, account: str, instrument: str, trip: RoundTrips) -> None:
        """The round trip that was under way in the beginning, as far as it is known."""
        self._trips[account, instrument] = trip

    def fill(self, row: FillRow) -> None:
        """One own fill, in order."""
        share = self._share(row)
        share.realised += row.realised
        share.fees += row.fee
        share.fills += 1
        self.fills += 1
        trip = self._trips.get((row.account, row.instrument))
        if trip is None:
            trip = self._trips[row.account, row.instrument] = RoundTrips()
        trade = trip.add(row)
        if trade is None:
            return
        self.trades += 1
        share.trades += 1
        self.trade_times.append(row.ts_ns)
        if trade.pnl > 0:
            self.wins += 1
            share.wins += 1
            self.gross_profit += trade.pnl
        else:
            self.gross_loss -= trade.pnl

    def cash(self, row: CashRow) -> None:
        """Funding, or a shift between realised and open profit; deposits belong to nobody."""
        if row.kind == CashKind.FUNDING:
            self._share(row).funding += row.amount
        elif row.kind == CashKind.REALISED:
            self._share(row).realised += row.amount

    def still_open(self, rows: Iterable[HeldRow]) -> None:
        """What is open at the last sample."""
        for row in rows:
            self._share(row).unrealised += row.unrealised

    def parts(self, name_of: Callable[[str, str, str], str], total: Part) -> tuple[Part, ...]:
        """Shares added up by a name, best first; what `total` has beyond them stands as a share of its own."""
        sums: dict[str, _Share] = {}
        for key, share in self._shares.items():
            into = sums.setdefault(name_of(*key) or NOBODY, _Share())
            for field in ("realised", "unrealised", "fees", "funding", "fills", "trades", "wins"):
                setattr(into, field, getattr(into, field) + getattr(share, field))
        rest = sums.get(NOBODY) or _Share()
        for field in ("realised", "unrealised", "fees", "funding"):
            missing = getattr(total, field) - sum((getattr(s, field) for s in sums.values()), start=ZERO)
            if missing:
                sums[NOBODY] = rest
                setattr(rest, field, getattr(rest, field) + missing)
        found = [Part(name=name, **vars(share)) for name, share in sums.items()]
        return tuple(sorted(found, key=lambda part: (-part.net, part.name)))

    def _share(self, row: FillRow | CashRow | HeldRow) -> _Share:
        key = (row.owner, row.account, row.instrument)
        share = self._shares.get(key)
        if share is None:
            share = self._shares[key] = _Share()
        return share


def summed_up(since_ns: int, until_ns: int, curve: Curve, book: Book, notes: Iterable[str]) -> Performance:
    """The figures of a period whose samples and bookings have all been added."""
    curve.finish()
    first, last = curve.first, curve.last
    total = Part(
        name="",
        realised=last.realised - first.realised,
        unrealised=last.unrealised - first.unrealised,
        fees=last.fees - first.fees,
        funding=last.funding - first.funding,
    )
    closes = curve.closes()
    return Performance(
        since_ns=since_ns,
        until_ns=until_ns,
        notes=tuple(notes),
        from_ns=first.ts_ns,
        to_ns=last.ts_ns,
        start_equity=first.equity,
        end_equity=last.equity,
        deposits=last.deposits - first.deposits,
        realised=total.realised,
        unrealised=total.unrealised,
        open_profit=last.unrealised,
        fees=total.fees,
        funding=total.funding,
        growth=curve.growth,
        max_drawdown=curve.worst,
        drawdown=curve.drawdown,
        points=curve.points(),
        gaps=tuple(curve.gaps),
        by_account=book.parts(lambda _owner, account, _instrument: account, total),
        by_strategy=book.parts(lambda owner, _account, _instrument: owner, total),
        by_venue=book.parts(lambda _owner, account, _instrument: venue_of(account), total),
        by_symbol=book.parts(lambda _owner, _account, instrument: instrument.partition("-")[0], total),
        by_day=_with_trades(curve.days, book.trade_times),
        fills=book.fills,
        trades=book.trades,
        wins=book.wins,
        gross_profit=book.gross_profit,
        gross_loss=book.gross_loss,
        win_rate=win_rate(book.wins, book.trades),
        profit_factor=profit_factor(book.gross_profit, book.gross_loss, book.trades),
        sharpe=sharpe(closes),
        sortino=sortino(closes),
    )


def _with_trades(days: list[Day], trade_times: list[int]) -> tuple[Day, ...]:
    """Days with the number of round trips that ended between their first sample and the next day's."""
    edges = [bisect_left(trade_times, day.from_ns) for day in days] + [len(trade_times)]
    return tuple(replace(day, trades=end - start) for day, (start, end) in zip(days, pairwise(edges), strict=True))
