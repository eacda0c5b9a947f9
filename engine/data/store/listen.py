"""`./moondev data record`: a live feed into the store until a signal or the end of a time."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from domain.instrument import Instrument
from domain.ports import Clock, HistorySource, MarketFeed
from engine.data.store.download import choose
from engine.data.store.record import FLUSH_S, Recorder
from engine.data.store.series import Kind
from engine.data.store.store import MarketStore


async def listen(
    store: MarketStore,
    source: HistorySource,
    feed_of: Callable[[Sequence[Instrument]], MarketFeed],
    names: Sequence[str],
    kinds: Sequence[Kind],
    clock: Clock,
    *,
    seconds: float | None = None,
    flush_s: float = FLUSH_S,
) -> list[str]:
    """Record until SIGINT, SIGTERM or `seconds` have passed; lines for people.

    Raises `VenueError` when the venue does not answer at the start, `DataError` when the disk refuses.
    """
    try:
        instruments = choose(names, await source.instruments(), source.name)
    finally:
        await source.aclose()
    recorder = Recorder(store, instruments, kinds, source.name, clock)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    feed = feed_of(instruments)
    await feed.start(recorder.put, recorder.feeds())
    try:
        with _spinner() as progress:
            task = progress.add_task("recording", rows=0)
            told = lambda: progress.update(task, rows=sum(recorder.rows.values()))  # noqa: E731 - one line is enough
            writing = asyncio.create_task(recorder.run(told, flush_s))
            ending = asyncio.create_task(stopped.wait())
            await asyncio.wait((writing, ending), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await feed.aclose()
    for each in (writing, ending):
        each.cancel()
    problem = (await asyncio.gather(writing, ending, return_exceptions=True))[0]
    if isinstance(problem, Exception):
        raise problem
    await recorder.flush()
    return list(_outcome(recorder))


def _spinner() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}, {task.fields[rows]:,} rows stored; Ctrl-C ends it"))
    console = Console(stderr=True)
    return Progress(*columns, TimeElapsedColumn(), console=console, disable=not sys.stderr.isatty(), transient=True)


def _outcome(recorder: Recorder) -> Iterator[str]:
    for series, rows in recorder.rows.items():
        yield f"{series.name}: {rows:,} rows recorded"
    if recorder.outages:
        yield f"The feed was lost {recorder.outages} times; ./moondev data ls shows the gaps"
