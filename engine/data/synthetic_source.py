"""One instrument of the synthetic market: its path, its book, its trades, bars and marks.

Every number is a function of (seed, instrument, step), a step being 100 ms. Arrays hold prices in grid
units (one grid = about 0.2 basis points, a whole number of ticks) and quantities in lots; events hold the
instrument's integers.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from msgspec import Struct

from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Book, FeedKind, Mark, MarketEvent, Trade
from engine.data.noise import Ints, bits, fractal, hashed, interpolate, key_of, lattice

STEP_NS = 100_000_000
"""The market moves once a step."""
SECOND_NS = 1_000_000_000
BOOK_EVERY = 2
"""A full book goes out every second step, the best bid and offer every step."""
MARK_STEPS = 100
LEVELS = 10

_SUB = 1024
_QUICK, _SLOW = range(1, 11), range(11, 25)
_AMPLITUDE_PPB = 28_000
_BASIS_PPB = 6_000
_KNOT_POWER = 11
"""Regimes and slow octaves are straight lines between knots 2**11 steps (205 s) apart."""
_REGIMES = np.array([64, 96, 128, 128, 128, 192, 256, 448], np.int64)
_LEVEL_USD, _TRADE_USD = 10_000, 200
_TRADE_SIZES = np.array([1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 6, 8, 12, 16, 24, 40], np.int64)
_NEAR, _ROUND = 5, 10
_BLOCK_STEPS = 36_000
_FUNDING_POWER = 15


class Path(Struct, frozen=True):
    """Touch and trades of consecutive steps; `trade_lots` is 0 where nothing traded."""

    steps: Ints
    middle: Ints
    bid: Ints
    ask: Ints
    trade_side: Ints
    trade_price: Ints
    trade_lots: Ints


class SyntheticSource:
    """The numbers of one instrument around a typical price.

    Raises `ConfigError` where the instrument's tick is too coarse for that price.
    """

    def __init__(self, instrument: Instrument, seed: int, typical: Decimal) -> None:
        self.instrument = instrument
        anchor = int(typical.scaleb(instrument.price_decimals))
        tick = instrument.price_step(2 * anchor)
        self.grid = max(tick, anchor // 50_000 // tick * tick)
        self._anchor = anchor * _SUB // self.grid
        if self._anchor < 300 * _SUB:
            raise ConfigError(
                f"{instrument.id}: a tick of {instrument.price_text(tick)} is too coarse for a synthetic market "
                f"around {typical}; give the instrument more price_decimals or a higher typical price"
            )
        lot_usd = instrument.unit * anchor * instrument.lot
        self._level_lots = max(2, int(_LEVEL_USD / lot_usd))
        self._trade_lots = int(_TRADE_USD * _SUB / lot_usd)
        self._path_keys = (key_of(seed, "market"), key_of(seed, f"base/{instrument.base}"))
        self._regime_key = key_of(seed, "regime")
        self._basis_key = key_of(seed, f"basis/{instrument.id}")
        self._trade_key = key_of(seed, f"trade/{instrument.id}")
        self._level_key = key_of(seed, f"level/{instrument.id}")
        self._kept: tuple[tuple[int, int], Ints, Ints] = ((0, 0), _REGIMES, _REGIMES)
        self._offset_ns = 1_000_000 + self._level_key % 40_000 * 1_000

    def path(self, first: int, last: int) -> Path:
        """Steps first <= s < last."""
        steps = np.arange(first - 1, last, dtype=np.int64)
        middle, regime = self._middle(steps)
        words = hashed(self._trade_key, steps)
        half_spread = (regime * _SUB + bits(words, 40, 10) * 128) // 256
        bid = (middle - half_spread) // _SUB
        ask = (middle + half_spread) // _SUB + 1
        moves, words = np.diff(middle), words[1:]
        happens = (bits(words, 0, 8) < 32 + regime[1:] // 4) | (steps[1:] % 10 == 0)
        coin = np.where(bits(words, 8, 1) == 1, 1, -1)
        side = np.where((bits(words, 9, 2) == 0) | (moves == 0), coin, np.sign(moves))
        sizes = _TRADE_SIZES[bits(words, 11, 4)] * (64 + bits(words, 15, 6)) * self._trade_lots // (128 * _SUB)
        return Path(
            steps[1:],
            middle[1:],
            bid[1:],
            ask[1:],
            side,
            np.where(side > 0, ask[:-1], bid[:-1]),
            np.where(happens, np.maximum(1, sizes), 0),
        )

    def _knots(self, first: int, last: int) -> tuple[Ints, Ints]:
        """Regime and slow drift at the knots first..last; the latest answer is kept, neighbours ask the same."""
        kept = self._kept  # threads ask, too: what is returned is what was looked at
        if kept[0] != (first, last):
            at = np.arange(first, last + 1, dtype=np.int64)
            regime = _REGIMES[bits(hashed(self._regime_key, at), 0, 3)]
            kept = ((first, last), regime, fractal(self._path_keys, _AMPLITUDE_PPB, _SLOW, at << _KNOT_POWER))
            self._kept = kept
        return kept[1:]

    def _middle(self, steps: Ints) -> tuple[Ints, Ints]:
        """Middle price (grid units / 1024) and volatility regime (128 = normal)."""
        first, last = int(steps[0]) >> _KNOT_POWER, int(steps[-1]) >> _KNOT_POWER
        regime, drift = (interpolate(knots, first, steps, _KNOT_POWER) for knots in self._knots(first, last + 1))
        swing = fractal(self._path_keys, _AMPLITUDE_PPB, _QUICK, steps) * regime // 128
        basis = fractal((self._basis_key,), _BASIS_PPB, (4, 6), steps)
        return self._anchor + self._anchor * (swing + drift + basis) // 1_000_000_000, regime

    def _levels(self, best: Ints, steps: Ints, away: int) -> tuple[Ints, Ints]:
        """Prices and lots of the nearest levels, best first: near ones side by side, then only round prices.

        `away` is -1 for bids and +1 for asks. The lots depend on the price and its age, not on the distance.
        """
        near = best[:, None] + away * np.arange(_NEAR)
        edge = (near[:, -1:] + away) // _ROUND * _ROUND
        if away > 0:
            edge = edge + _ROUND
        prices = np.concatenate((near, edge + away * _ROUND * np.arange(LEVELS - _NEAR)), axis=1)
        words = hashed(self._level_key, prices)
        age = (steps[:, None] + bits(words, 0, 6)) >> 6
        thickness = bits(hashed(self._level_key, words.astype(np.int64) + age), 0, 8)
        lots = self._level_lots + self._level_lots * thickness // 128
        return prices, np.where(prices % _ROUND == 0, lots * 4, lots)

    def micro(self, first: int, last: int, kinds: frozenset[FeedKind]) -> list[MarketEvent]:
        """Trades, best bids and offers and books of the steps, in time order; a trade comes before its book."""
        path = self.path(first, last)
        bid_prices, bid_lots = self._levels(path.bid, path.steps, -1)
        ask_prices, ask_lots = self._levels(path.ask, path.steps, +1)
        bid_lots[:, 0] = np.maximum(1, bid_lots[:, 0] - np.where(path.trade_side < 0, path.trade_lots, 0))
        ask_lots[:, 0] = np.maximum(1, ask_lots[:, 0] - np.where(path.trade_side > 0, path.trade_lots, 0))
        grid, lot, instrument = self.grid, self.instrument.lot, self.instrument.id
        bids, bid_sizes = (bid_prices * grid).tolist(), (bid_lots * lot).tolist()
        asks, ask_sizes = (ask_prices * grid).tolist(), (ask_lots * lot).tolist()
        trades = zip(
            path.trade_side.tolist(),
            (path.trade_price * grid).tolist(),
            (path.trade_lots * lot).tolist(),
            strict=True,
        )
        with_bbo, with_book, with_trade = (kind in kinds for kind in (FeedKind.BBO, FeedKind.BOOK, FeedKind.TRADE))
        events: list[MarketEvent] = []
        emit = events.append
        for at, (side, price, qty) in enumerate(trades):
            step = first + at
            ts = step * STEP_NS + self._offset_ns
            if qty and with_trade:
                emit(Trade(ts_ns=ts, venue_ts_ns=ts, instrument=instrument, price=price, qty=qty, side=side,
                           trade_id=str(step)))  # fmt: skip
            ts += STEP_NS // 2
            if with_bbo:
                emit(Bbo(ts_ns=ts, venue_ts_ns=ts, instrument=instrument, bid=bids[at][0], bid_qty=bid_sizes[at][0],
                         ask=asks[at][0], ask_qty=ask_sizes[at][0]))  # fmt: skip
            if with_book and step % BOOK_EVERY == 0:
                bid_levels = tuple(zip(bids[at], bid_sizes[at], strict=True))
                ask_levels = tuple(zip(asks[at], ask_sizes[at], strict=True))
                emit(Book(ts_ns=ts, venue_ts_ns=ts, instrument=instrument, bids=bid_levels, asks=ask_levels))
        return events

    def bars(self, interval_ns: int, first_open_ns: int, count: int) -> list[Bar]:
        """`count` bars from the one that opens at `first_open_ns`, which must be a multiple of the interval.

        Every second trades at least once, so any whole number of seconds has a bar. About 0.4 s of work per
        day of data: ask for days of daily bars, not for years.
        """
        bars: list[Bar] = []
        width = interval_ns // STEP_NS
        first = first_open_ns // STEP_NS
        group = max(1, _BLOCK_STEPS // width)
        for start in range(0, count, group):
            bars += self._bars(first + start * width, width, min(group, count - start))
        return bars

    def _bars(self, first: int, width: int, count: int) -> list[Bar]:
        path = self.path(first, first + width * count)
        traded = np.flatnonzero(path.trade_lots)
        prices = path.trade_price[traded] * self.grid
        starts = np.searchsorted(path.steps[traded], first + width * np.arange(count))
        ends = np.append(starts[1:], len(traded)) - 1
        highs = np.maximum.reduceat(prices, starts).tolist()
        lows = np.minimum.reduceat(prices, starts).tolist()
        volumes = (np.add.reduceat(path.trade_lots[traded], starts) * self.instrument.lot).tolist()
        opens, closes = prices[starts].tolist(), prices[ends].tolist()
        return [
            Bar(
                ts_ns=(first + width * (at + 1)) * STEP_NS,
                venue_ts_ns=(first + width * (at + 1)) * STEP_NS,
                instrument=self.instrument.id,
                interval_ns=width * STEP_NS,
                open_ts_ns=(first + width * at) * STEP_NS,
                open=opens[at],
                high=highs[at],
                low=lows[at],
                close=closes[at],
                volume=volumes[at],
            )
            for at in range(count)
        ]

    def mark(self, step: int) -> Mark:
        """Mark price and hourly funding rate at a step."""
        path = self.path(step, step + 1)
        ppb = 12_500 + int(lattice(self._basis_key + 1, path.steps, _FUNDING_POWER)[0]) // 16
        return Mark(
            ts_ns=step * STEP_NS,
            venue_ts_ns=step * STEP_NS,
            instrument=self.instrument.id,
            price=int(path.middle[0]) * self.grid // _SUB // self.instrument.tick * self.instrument.tick,
            funding_rate=Decimal(ppb).scaleb(-9),
        )
