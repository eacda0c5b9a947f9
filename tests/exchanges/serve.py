"""A local venue as a process of its own, with a market that moves: what `moondev run --venue NAME-local` trades on.

    python -m tests.exchanges.hyperliquid.serve --port 0 --seed 7 [--folder FOLDER]

It prints one line of JSON when it is ready: venue, url, accounts and instruments as the settings file has them, and the
made-up keys of the accounts by the names that the accounts give them. It ends when its stdin does, which is when
whoever started it has ended, however that came. In FOLDER it keeps what the venue knows, and goes on from there.
"""

import argparse
import asyncio
import contextlib
import fcntl
import json
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias

from domain.instrument import Instrument, InstrumentId
from domain.market import Bar, Feed, FeedKind, FeedStatus, MarketEvent
from engine.data.synthetic import SyntheticMarket
from engine.data.synthetic_feed import SyntheticFeed
from tests.exchanges.desk import WallClock

KINDS = (FeedKind.BBO, FeedKind.BOOK, FeedKind.TRADE)
BarsOf: TypeAlias = Callable[[InstrumentId, int, int, int], list[Bar]]
"""(instrument, interval_ns, end_ns, count): the last `count` bars that have closed by then, oldest first."""


class LocalServer(Protocol):
    """What a venue's local server must have to be served."""

    url: str
    bars: BarsOf
    """Set by `serve`: where candles of the past come from."""
    room: Any
    """All that the venue knows, accounts and orders, as one object that can be pickled."""

    @property
    def instruments(self) -> Sequence[Instrument]:
        """What it lists, by the venue's ids."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def market(self, event: MarketEvent) -> None:
        """One event (Bbo, Book, Trade, Mark): matched, and told on the public channels."""
        ...


@dataclass
class Local:
    """One venue to serve. `open` makes its server for a port; `accounts` are as in the settings (`venues`)."""

    venue: str
    open: Callable[[int], LocalServer]
    accounts: list[dict[str, Any]]
    secrets: dict[str, str]
    instruments: list[InstrumentId] = field(default_factory=list)
    """Those whose market moves; empty = all that the server lists."""


async def serve(local: Local, port: int, seed: int, folder: Path | None) -> None:
    """Serve until stdin ends."""
    ended = asyncio.Event()
    _watch_stdin(asyncio.get_running_loop(), ended)
    server = local.open(port)
    kept = folder / f"{local.venue.lower()}.room" if folder is not None else None
    if kept is not None and kept.exists():
        server.room = pickle.loads(kept.read_bytes())
    async with server:
        moving = [i for i in server.instruments if not local.instruments or i.id in local.instruments]
        market = SyntheticMarket(moving, seed, time.time_ns())
        server.bars = market.bars
        events: asyncio.Queue[MarketEvent | FeedStatus] = asyncio.Queue()
        feed = SyntheticFeed(market, WallClock())
        await feed.start(events.put_nowait, [Feed(kind=kind, instrument=i.id) for i in moving for kind in KINDS])
        pump = asyncio.create_task(_pump(server, events))
        ready = {"venue": local.venue, "url": server.url, "accounts": local.accounts, "secrets": local.secrets}
        print(json.dumps(ready | {"instruments": [i.id for i in moving]}), flush=True)
        done, _ = await asyncio.wait([pump, asyncio.ensure_future(ended.wait())], return_when=asyncio.FIRST_COMPLETED)
        pump.cancel()
        await feed.aclose()
        if kept is not None:
            fresh = kept.with_suffix(".new")
            fresh.write_bytes(pickle.dumps(server.room))
            fresh.replace(kept)
        if pump in done:
            pump.result()


async def _pump(server: LocalServer, events: asyncio.Queue[MarketEvent | FeedStatus]) -> None:
    while True:
        event = await events.get()
        if not isinstance(event, FeedStatus):
            await server.market(event)


def _watch_stdin(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    def wait() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def _alone(folder: Path | None, venue: str) -> Iterator[None]:
    """Wait until the one before has written down what it knows."""
    if folder is None:
        yield
        return
    with (folder / f"{venue.lower()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(local: Local) -> None:
    """The command line of a venue's `serve.py`."""
    parser = argparse.ArgumentParser(description=f"A local {local.venue} with a moving market.")
    parser.add_argument("--port", type=int, default=0, help="0 = any free one")
    parser.add_argument("--seed", type=int, default=7, help="the same seed is the same market")
    parser.add_argument("--folder", type=Path, default=None, help="where the venue keeps what it knows")
    options = parser.parse_args()
    with _alone(options.folder, local.venue):
        asyncio.run(serve(local, options.port, options.seed, options.folder))
