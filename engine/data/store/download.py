"""`./moondev data fetch`: which jobs a request means, one after another with a progress bar, and what came out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.ports import HistorySource
from engine.data.store.fetch import WAITS_S, Fetched, Job, fetch
from engine.data.store.series import Kind, Series
from engine.data.store.spans import Span
from engine.data.store.store import MarketStore, when

LATE_NS = {Kind.CANDLES: 10_000_000_000, Kind.FUNDING: 600_000_000_000, Kind.TRADES: 60_000_000_000}
"""How long after its time a row is surely there; what is younger is not asked for, or it could be missed for good."""
FETCHED = tuple(LATE_NS)
"""The kinds that can be downloaded."""


class Request(Struct, frozen=True, kw_only=True):
    """What a person asks for at `now_ns`: times in [start_ns, end_ns)."""

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    intervals_ns: tuple[int, ...]
    start_ns: int
    end_ns: int
    now_ns: int
    again: bool = False


def choose(names: Iterable[str], known: Sequence[Instrument], venue: str) -> list[Instrument]:
    """Instruments by id, symbol, base or alias, whatever the case. Raises `ConfigError` naming some there are."""
    by_name: dict[str, Instrument] = {}
    for instrument in known:
        own = (instrument.id, instrument.id.partition(".")[0], instrument.venue_symbol, instrument.base)
        for name in (*own, *instrument.aliases):
            by_name.setdefault(name.upper(), instrument)
    unknown = [name for name in names if name.upper() not in by_name]
    if unknown:
        some = ", ".join(instrument.base for instrument in known[:12])
        raise ConfigError(f"{venue} has no {', '.join(unknown)}; it has {len(known)} contracts: {some} ...")
    return list(dict.fromkeys(by_name[name.upper()] for name in names))


def jobs(request: Request, instruments: Iterable[Instrument]) -> list[Job]:
    """One job for each instrument, kind and interval. Raises `ConfigError` for a time span that is none."""
    if request.start_ns >= min(request.end_ns, request.now_ns):
        raise ConfigError(f"from {when(request.start_ns)} to {when(request.end_ns)}: --from has to be before --to")
    return [
        _job(request, Series(instrument=instrument.id, kind=kind, interval_ns=interval_ns), instrument)
        for instrument in instruments
        for kind in request.kinds
        for interval_ns in (request.intervals_ns if kind is Kind.CANDLES else (0,))
    ]


def _job(request: Request, series: Series, instrument: Instrument) -> Job:
    """Whole candles only."""
    step_ns = max(1, series.interval_ns)
    end_ns = min(request.end_ns, request.now_ns - LATE_NS[series.kind])
    return Job(
        series=series,
        instrument=instrument,
        start_ns=-(-request.start_ns // step_ns) * step_ns,
        end_ns=end_ns // step_ns * step_ns,
        again=request.again,
    )


async def download(
    store: MarketStore, source: HistorySource, request: Request, waits_s: tuple[float, ...] = WAITS_S
) -> list[str]:
    """Fetch everything; lines for people. Closes the source. Raises as `fetch`."""
    try:
        instruments = choose(request.names, await source.instruments(), source.name)
        lines: list[str] = []
        with _bar() as progress:
            for job in jobs(request, instruments):
                spans = job.missing(store)
                total = sum(end - start for start, end in spans)
                task = progress.add_task(job.series.name, total=max(1, total))

                def report(at_ns: int, spans: list[Span] = spans, task: int = task) -> None:
                    done_ns = sum(max(0, min(at_ns, end) - start) for start, end in spans)
                    progress.update(task, completed=done_ns)  # type: ignore[arg-type] # rich's TaskID is an int

                done = await fetch(store, source, job, report, waits_s)
                progress.update(task, completed=max(1, total))
                lines += list(_outcome(store, job, done))
        return lines
    finally:
        await source.aclose()


def _bar() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True)


def _outcome(store: MarketStore, job: Job, done: Fetched) -> Iterator[str]:
    """What a job brought, and what is not there although it was asked for."""
    name, found = job.series.name, store.manifest(job.series)
    news = f"{done.new:,} new rows in {done.pages} pages" if done.pages else "nothing was missing"
    if not found.rows:
        yield f"{name}: the source has nothing from {when(job.start_ns)} to {when(job.end_ns)}"
        return
    yield f"{name}: {news}; stored: {found.rows:,} rows, {when(found.first_ns)} to {when(found.last_ns)} UTC"
    if found.first_ns > job.start_ns + max(job.series.interval_ns, job.instrument.funding_interval_ns):
        yield f"  the source has nothing before {when(found.first_ns)} (asked from {when(job.start_ns)})"
    gaps = [gap for gap in found.gaps(job.series) if gap.end_ns > job.start_ns and gap.start_ns < job.end_ns]
    for gap in gaps[:3]:
        yield f"  gap: {when(gap.start_ns)} to {when(gap.end_ns)}, {gap.why}"
    if len(gaps) > 3:
        yield f"  and {len(gaps) - 3} gaps more: ./moondev data ls --gaps"
    if done.differing:
        yield f"  {done.differing} rows are told otherwise now than they were stored; the stored ones were kept"
