"""Brings the history of what a strategy reads, again and again until it is whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from domain.errors import MoonDevError
from domain.events import Event, History
from domain.ports import MarketFeed
from engine.core.core import Core
from engine.core.failover import as_seen, history_feeds, with_backups
from engine.data.warmup import whole_history

RETRY_S = 5.0
LONGEST_S = 60.0


async def warm_up(core: Core, feed: MarketFeed, put: Callable[[Event], None], strategy: str) -> None:
    """Subscribe what a strategy reads and bring its history up to now; ends when it is whole or not wanted any more."""
    pause_s = RETRY_S
    view, asked = core.views.get(strategy), _asked(core, strategy)
    while view is not None and asked == _asked(core, strategy):
        try:
            await feed.subscribe(with_backups(core, view))
            bars = as_seen(core, view, await whole_history(feed, history_feeds(core, view), view.warmup))
            put(History(strategy=strategy, bars=bars, complete=True, asked=asked))
        except (MoonDevError, OSError, TimeoutError) as error:
            put(History(strategy=strategy, problem=f"{type(error).__name__}: {error}", asked=asked))
        else:
            return
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_S)


def _asked(core: Core, strategy: str) -> int:
    """The event since which a strategy waits for history; 0 = it is gone."""
    found = core.state.strategies.get(strategy)
    return found.asked if found is not None else 0
