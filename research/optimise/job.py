"""One run of a study: parameters in, pieces out. A process opens and checks the data once, and shares it by its runs.

The run is `moondev backtest`'s: the same engine settings, exchange, core and driver, and the same fills. What a study
does not look at is left out (the summary, the page); what decides is not.
"""

from __future__ import annotations

import gc
import os
import socket
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from domain.errors import MoonDevError, StrategyError
from domain.facts import StrategyStatus
from domain.instrument import ZERO
from domain.market import Bar, MarketEvent
from engine.core.recovery import state_hash
from engine.observe.build import build_hash, lock_hash
from engine.strategies import registry
from exchanges.paper.config import FillModel
from research.backtest import (
    ID,
    BacktestSettings,
    Prepared,
    StrategyRequest,
    bar_interval_ns,
    core_settings,
    sample_interval_ns,
    terms_of,
)
from research.compiled import Pacing, needed
from research.driver import LEAD_NS, Driver
from research.market_data import DataKind, MarketData
from research.optimise.objectives import OBJECTIVES, Objective
from research.optimise.pieces import Pieces, blocks_of, longest, part, steps_of
from research.optimise.source import DataSource, open_source
from research.optimise.spans import Cuts
from research.result import Recorder, Terms
from risk.statistics import round_trips


class Task(Struct, frozen=True, kw_only=True):
    """What a process has to know before its first run, and the hashes of what it must find."""

    kind: str
    folder: str
    source: DataSource
    settings: BacktestSettings
    cuts: Cuts
    objectives: tuple[str, ...]
    across: Literal["whole", "median", "worst"]
    least_trades: int
    code_hash: str
    lock_hash: str
    strategy_hash: str
    data_hash: str


class Job(Struct, frozen=True, kw_only=True):
    """Parameters to run. `least` has, for each block's end, the value below which the run is given up (None = none).

    `is_held_out`: run over what is held out, as a single block, instead of the study.
    """

    number: int
    params: dict[str, Any]
    least: tuple[float | None, ...] = ()
    is_held_out: bool = False


class Run(Struct, frozen=True, kw_only=True):
    """What came of a job.

    state: complete; pruned (it fell behind); unfit (it cannot be judged); failed (its code, or the process, broke).
    `values` are those of the objectives over what was run, also when it was pruned.
    """

    number: int
    params: dict[str, Any]
    state: Literal["complete", "pruned", "unfit", "failed"]
    reason: str = ""
    values: tuple[float | None, ...] = ()
    so_far: tuple[float | None, ...] = ()
    """The first objective at the end of each block."""
    pieces: Pieces | None = None
    pnl: str = ""
    orders: int = 0
    fills: int = 0
    trades: int = 0
    bars: int = 0
    refusals: dict[str, int] = {}
    effects_hash: str = ""
    state_hash: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    host: str = ""

    @property
    def result_hash(self) -> tuple[str, str]:
        """What a run of the same job must reproduce."""
        return self.effects_hash, self.state_hash


class Events(NamedTuple):
    """A tape in memory with the time that each event is about."""

    events: list[MarketEvent]
    times_ns: list[int]


class Stretch(NamedTuple):
    """What of the tape a run goes over."""

    edges: tuple[int, ...]
    end_ns: int


class Bench:
    """The data of a study in one process, ready to be run over. Raises `MoonDevError` where it is other data or code."""

    def __init__(self, task: Task) -> None:
        """Open and check everything."""
        self.task = task
        self.folder = Path(task.folder) if task.folder else None
        self.objectives = tuple(OBJECTIVES[name] for name in task.objectives)
        self.data = open_source(task.source, task.settings.core)
        self._check()
        self._events: dict[tuple[int, int], Events] = {}
        self._pid = os.getpid()

    def _check(self) -> None:
        task, where = self.task, f"{socket.gethostname()}, process {os.getpid()}"
        here = (build_hash(), lock_hash(), registry.load(task.kind, self.folder).source_hash, self.data.sha256)
        asked = (task.code_hash, task.lock_hash, task.strategy_hash, task.data_hash)
        names = ("the program", "the locked dependencies", "the strategy", "the data")
        for name, found, wanted in zip(names, here, asked, strict=True):
            if found != wanted:
                raise MoonDevError(
                    f"{where}: {name} differs from the study's ({found[:12] or 'none'} here, {wanted[:12]} there): a "
                    "study is of one code and one data"
                )

    def run(self, job: Job) -> Run:
        """Run one job; what cannot be run comes back as a state with its reason."""
        began, began_cpu = time.perf_counter(), time.process_time()
        try:
            done = self._run(job)
        except StrategyError as error:
            done = Run(number=job.number, params=job.params, state="unfit", reason=str(error))
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
        return _with(done, wall_s=wall_s, cpu_s=cpu_s, host=f"{socket.gethostname()}:{self._pid}")

    def _run(self, job: Job) -> Run:
        task, cuts, data = self.task, self.task.cuts, self.data
        request = StrategyRequest(kind=task.kind, params=job.params, folder=self.folder)
        terms = terms_of(request, data, task.settings)
        interval_ns = bar_interval_ns(terms.strategy)
        stretch = Stretch((cuts.held_out_ns, cuts.end_ns), cuts.end_ns) if job.is_held_out else _studied(cuts)
        events = self._tape(terms, interval_ns)
        first = bisect_right(events.times_ns, stretch.edges[0])
        warmup = terms.strategy.warmup() if data.kind is DataKind.BARS else 0
        warm = newest_bars(events.events, first, warmup)
        if len(warm) < warmup:
            reason = f"needs {warmup} bars of warm-up, {len(warm)} are kept for it"
            return Run(number=job.number, params=job.params, state="unfit", reason=reason)
        prepared = self._prepared(terms, events, first, warm, interval_ns)
        return self._play(job, prepared, events, first, stretch)

    def _prepared(self, terms: Terms, events: Events, first: int, warm: tuple[Bar, ...], interval_ns: int) -> Prepared:
        data, settings = self.data, self.task.settings
        sample_ns = settings.sample_ns or sample_interval_ns(data, interval_ns)
        passes = needed(terms.strategy.feeds())
        return Prepared(
            core=core_settings(settings, data, terms.spec, sample_ns),
            terms=terms,
            folder=self.folder,
            warm=warm,
            tape=iter(()),
            first_ns=events.events[first].ts_ns,
            interval_ns=interval_ns,
            pacing=Pacing(conflate_ns=terms.conflate_ns, passes=passes) if terms.conflate_ns else None,
            is_l2=data.kind is DataKind.L2,
        )

    def _tape(self, terms: Terms, interval_ns: int) -> Events:
        """The tape of one bar interval; bars are made once, other events anew, because conflation stamps them."""
        paper = self.task.settings.paper
        latency_ns = 0 if paper.fill_model is FillModel.SAME_CLOSE else paper.feed_ns
        key = (latency_ns, interval_ns)
        found = self._events.get(key)
        if found is None:
            events = list(self.data.tape(latency_ns, interval_ns))
            found = Events(events, [event.venue_ts_ns or event.ts_ns for event in events])
            if not terms.conflate_ns:
                self._events[key] = found
                gc.collect()
                gc.freeze()
        return found

    def _play(self, job: Job, prepared: Prepared, events: Events, first: int, stretch: Stretch) -> Run:
        recorder = Recorder()
        driver = Driver(
            prepared.core,
            prepared.exchange(),
            prepared.make_code,
            on_facts=recorder,
            facts_on=False,
            history={ID: prepared.warm},
            pacing=prepared.pacing,
        )
        driver.start(max(prepared.first_ns - LEAD_NS, prepared.warm[-1].ts_ns if prepared.warm else 0))
        at, so_far, pieces = first, list[float | None](), None
        edges = stretch.edges
        for block in range(1, len(edges)):
            stop = bisect_right(events.times_ns, edges[block])
            driver.play(islice(events.events, at, stop))
            at = stop
            tested = driver.core.state.strategies[ID]
            pieces = self._pieces(driver, recorder, prepared, edges[: block + 1])
            so_far.append(self.value(self.objectives[0], pieces))
            if tested.status is StrategyStatus.QUARANTINED:
                return self._run_of(job, driver, recorder, pieces, so_far, at - first, "failed", tested.detail)
            if block < len(edges) - 1 and (reason := self._behind(job, so_far)):
                return self._run_of(job, driver, recorder, pieces, so_far, at - first, "pruned", reason)
        if pieces is None:
            raise StrategyError("nothing to run over")
        trades = sum(block.trades for block in pieces.blocks)
        state: Literal["complete", "unfit"] = "complete"
        reason = ""
        if not job.is_held_out and trades < self.task.least_trades:
            state, reason = "unfit", f"{trades} round trips, at least {self.task.least_trades} are asked for"
        return self._run_of(job, driver, recorder, pieces, so_far, at - first, state, reason)

    def _pieces(self, driver: Driver, recorder: Recorder, prepared: Prepared, edges: Sequence[int]) -> Pieces:
        deposit, instrument = prepared.terms.deposit, self.data.instrument
        now = (driver.core.state.ts_ns, driver.core.equity(prepared.terms.spec.account))
        trades = round_trips(recorder.fills, instrument.qty_scale)
        step_ns = self.task.cuts.step_ns
        # a held-out stretch is no whole number of steps: its last, cut one is left out
        whole = edges[0] + (edges[-1] - edges[0]) // step_ns * step_ns
        return Pieces(
            returns=tuple(steps_of([*recorder.equity, now], deposit, (edges[0], whole), step_ns).tolist()),
            blocks=blocks_of(recorder.fills, trades, instrument, edges),
            deposit=float(deposit),
            longest_steps=longest(trades, step_ns),
        )

    def value(self, objective: Objective, pieces: Pieces) -> float | None:
        """The figure of one objective over pieces: of all of them, or the middle or worst of the blocks."""
        year = self.task.cuts.steps_a_year
        if self.task.across == "whole" or len(pieces.blocks) == 1:
            return objective.of(pieces, year)
        each = [objective.of(part(pieces, (block,)), year) for block in range(len(pieces.blocks))]
        known = [value for value in each if value is not None]
        if not known:
            return None
        if self.task.across == "median":
            return float(median(known))
        return min(known) if objective.is_more_better else max(known)

    def _behind(self, job: Job, so_far: Sequence[float | None]) -> str:
        """Why a run is given up after the blocks so far, "" = it is not."""
        value, block = so_far[-1], len(so_far)
        least = job.least[block - 1] if block <= len(job.least) else None
        if least is None or value is None:
            return ""
        objective = self.objectives[0]
        if (value - least) * objective.sign >= 0:
            return ""
        return f"{objective.text(value)} after {block} blocks, behind the median of {objective.text(least)}"

    def _run_of(  # noqa: PLR0913, PLR0917 - what a run is made of
        self,
        job: Job,
        driver: Driver,
        recorder: Recorder,
        pieces: Pieces,
        so_far: Sequence[float | None],
        bars: int,
        state: Literal["complete", "pruned", "unfit", "failed"],
        reason: str,
    ) -> Run:
        core = driver.core
        pnl = sum((core.equity(account) for account in core.state.accounts), start=ZERO) - self.task.settings.deposit
        values = tuple(self.value(objective, pieces) for objective in self.objectives)
        return Run(
            number=job.number,
            params=job.params,
            state=state,
            reason=reason,
            values=values,
            so_far=tuple(so_far),
            pieces=pieces,
            pnl=f"{pnl:f}",
            orders=driver.placed,
            fills=len(recorder.fills),
            trades=sum(block.trades for block in pieces.blocks),
            bars=bars,
            refusals=dict(sorted(recorder.refusals.items())),
            effects_hash=core.state.effects_hash.hex(),
            state_hash=state_hash(core.state),
        )


def newest_bars(events: Sequence[MarketEvent], before: int, count: int) -> tuple[Bar, ...]:
    """The last `count` bars before an index, or as many as there are."""
    found: list[Bar] = []
    while before > 0 and len(found) < count:
        before -= 1
        event = events[before]
        if isinstance(event, Bar):
            found.append(event)
    return tuple(reversed(found))


def _studied(cuts: Cuts) -> Stretch:
    return Stretch(cuts.edges, cuts.held_out_ns)


def _with(run: Run, **changes: Any) -> Run:  # noqa: ANN401 - fields of a run
    from msgspec.structs import replace

    return replace(run, **changes)


def opened(task: Task) -> MarketData:
    """The data of a task, opened but not compared."""
    return open_source(task.source, task.settings.core)
