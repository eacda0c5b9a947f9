"""The history that a strategy's warm-up needs, read whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from domain.errors import DataError
from domain.market import Bar, Feed, FeedKind
from domain.ports import MarketFeed


async def whole_history(feed: MarketFeed, feeds: Sequence[Feed], count: int) -> list[Bar]:
    """The last `count` bars of every bar feed, in order of their close. Raises `DataError` when one is not whole."""
    bars: list[Bar] = []
    for wanted in feeds:
        if wanted.kind is not FeedKind.BAR or not count:
            continue
        got = await feed.history(wanted, count)
        if len(got) < count:
            raise DataError(f"{wanted.instrument}: {len(got)} of the {count} bars that the warm-up needs")
        holes = sum(later.open_ts_ns - bar.open_ts_ns != wanted.interval_ns for bar, later in pairwise(got))
        if holes:
            raise DataError(f"{wanted.instrument}: {holes} hole(s) in the {count} bars of the warm-up")
        bars += got
    return sorted(bars, key=lambda bar: bar.open_ts_ns + bar.interval_ns)
