"""Backtest: strategies over recorded or simulated market data, through the code that trades live.

    data = open_file(path, FileOptions(...))
    outcome = run_backtest(StrategyRequest(kind="turtle"), data, BacktestSettings(core=...))     one of each
    outcome = run_plan(Plan(strategies=(Tested(id="a", kind="turtle"), ...)), sources, settings)  any number

The tape drives the same kernel, executor and gate as `moondev run`, against the paper exchange, in virtual time.
The same input gives the same `state_hash`, on every machine and under every PYTHONHASHSEED.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct, field

from domain.market import MarketEvent
from domain.settings import StrategySpec
from engine.core.core import AnyStrategy, Core
from research.compiled import compile_tape
from research.driver import LEAD_NS, Driver
from research.market_data import MarketData
from research.plan import Plan, Tested
from research.prepare import BacktestSettings, Prepared, prepare_plan
from research.record import Recorder, Span, result_of
from research.result import Outcome, Result

__all__ = ["BacktestSettings", "Prepared", "StrategyRequest", "prepare", "run_backtest", "run_plan"]

STEP = 8_192
"""Events between two calls of `on_progress`."""
ID = "tested"
Progress = Callable[[int, int], None]
R = TypeVar("R", bound=Recorder)


class StrategyRequest(Struct, frozen=True, kw_only=True):
    """What to test: a registry kind or `file.py:Class`, its parameters, and the user's folder of strategies."""

    kind: str
    params: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None


def run_backtest(
    request: StrategyRequest, data: MarketData, settings: BacktestSettings, on_progress: Progress | None = None
) -> Outcome:
    """Run one strategy over one source; see `run_plan`."""
    return run_plan(plan_of(request), (data,), settings, on_progress)


def run_plan(
    plan: Plan, sources: Sequence[MarketData], settings: BacktestSettings, on_progress: Progress | None = None
) -> Outcome:
    """Run a plan over its sources; `on_progress(events, ts_ns)` is called now and then.

    Raises `StrategyError` for a strategy or parameters that do not fit, `DataError` for data that does not.
    """
    return run_prepared(prepare_plan(plan, sources, settings), on_progress)


def run_prepared(
    run: Prepared, on_progress: Progress | None = None, on_driver: Callable[[Driver], None] | None = None
) -> Outcome:
    """Run what is prepared; once, because its tape is read. `on_driver` is given the driver when it has started."""
    began = time.perf_counter()
    driver, recorder = begin(run, Recorder)
    if on_driver is not None:
        on_driver(driver)
    count = play(driver, run, on_progress)
    wall_s = time.perf_counter() - began
    return Outcome(result=result_after(run, driver, recorder, count), wall_s=wall_s)


def begin(
    run: Prepared, record: Callable[[Core], R], make_code: Callable[[StrategySpec], AnyStrategy] | None = None
) -> tuple[Driver, R]:
    """The driver of a run, started, and what records it. `make_code` makes the strategies, by default the plan's."""
    driver = Driver(
        run.core,
        run.exchange(),
        make_code or run.make_code,
        facts_on=False,
        history=run.history,
        pacing=run.pacing,
    )
    recorder = record(driver.core)
    driver.on_facts, driver.on_sent = recorder, recorder.sent
    driver.start(max(run.first_ns - LEAD_NS, run.warm[-1].ts_ns if run.warm else 0))
    return driver, recorder


def result_after(run: Prepared, driver: Driver, recorder: Recorder, events: int) -> Result:
    """What there is to say when the tape of so many events has been played."""
    span = Span(
        first_ns=run.first_ns,
        events=events,
        warmup_bars=len(run.warm),
        sample_ns=run.core.execution.equity_sample_ns,
    )
    return result_of(driver, recorder, run.terms, span)


def prepare(request: StrategyRequest, data: MarketData, settings: BacktestSettings) -> Prepared:
    """Everything up to the first event of a run of one strategy. Raises as `run_backtest`."""
    return prepare_plan(plan_of(request), (data,), settings)


def plan_of(request: StrategyRequest) -> Plan:
    """The plan of a run of one strategy."""
    return Plan(strategies=(Tested(id=ID, kind=request.kind, params=request.params, folder=request.folder),))


def play(driver: Driver, run: Prepared, on_progress: Progress | None) -> int:
    """Play the whole tape, one of order books compiled; returns the number of its events."""
    if run.is_l2 and run.pacing is not None:
        (instrument,) = run.core.instruments
        return driver.replay(compile_tape(instrument.id, told(run.tape, on_progress), run.pacing))
    count = 0
    while step := driver.play(islice(run.tape, STEP)):
        count += step
        if on_progress is not None:
            on_progress(count, driver.core.state.ts_ns)
    return count


def told(tape: Iterator[MarketEvent], on_progress: Progress | None) -> Iterator[MarketEvent]:
    """The tape, with `on_progress` called now and then."""
    for count, event in enumerate(tape, 1):
        if on_progress is not None and not count % STEP:
            on_progress(count, event.ts_ns)
        yield event
