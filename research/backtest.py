"""Backtest: one strategy over recorded or simulated market data, through the code that trades live.

    data = open_file(path, FileOptions(...))
    outcome = run_backtest(StrategyRequest(kind="turtle"), data, BacktestSettings(core=...))

The tape drives the same kernel, executor and gate as `moondev run`, against the paper exchange, in virtual time.
The same input gives the same `state_hash`, on every machine and under every PYTHONHASHSEED.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from domain.account import venue_of
from domain.errors import DataError, StrategyError
from domain.market import Bar, FeedKind, MarketEvent
from domain.settings import AccountSpec, Settings, StrategySpec
from domain.strategy import Strategy
from engine.core.core import AnyStrategy
from engine.strategies import registry
from exchanges.paper.config import FillModel, PaperConfig
from exchanges.paper.exchange import PaperExchange
from research.compiled import Pacing, compile_tape, needed
from research.driver import LEAD_NS, Driver
from research.market_data import DataKind, MarketData
from research.result import Approver, Outcome, Recorder, Span, Terms, result_of

SECOND_NS = 1_000_000_000
STEP = 8_192
"""Events between two calls of `on_progress`."""
SAMPLES = 2_000
"""Equity samples of a run whose span is known."""
ID = "tested"


class StrategyRequest(Struct, frozen=True, kw_only=True):
    """What to test: a registry kind or `file.py:Class`, its parameters, and the user's folder of strategies."""

    kind: str
    params: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None


class BacktestSettings(Struct, frozen=True, kw_only=True):
    """The world the strategy is put in: the engine's own settings, the exchange's, and what only a test has.

    Instruments, accounts, strategies and approvals of `core` are replaced by those of the test. `conflate_ns` is
    for what is more than bars, as it is live. `sample_ns` 0 = equity is sampled by the span.
    """

    core: Settings
    paper: PaperConfig = PaperConfig()
    deposit: Decimal = Decimal(100_000)
    approver: Approver = Approver.AUTO
    conflate_ns: int = 100_000_000
    sample_ns: int = 0


class Prepared(Struct, frozen=True, kw_only=True):
    """A run before its first event: the engine's settings, the bars that warm up, and the tape after them."""

    core: Settings
    terms: Terms
    folder: Path | None
    warm: tuple[Bar, ...]
    tape: Iterator[MarketEvent]
    first_ns: int
    interval_ns: int
    pacing: Pacing | None
    is_l2: bool

    def exchange(self) -> PaperExchange:
        """A fresh exchange, which has seen the warm-up bars."""
        deposits = {account.id: account.deposit for account in self.core.accounts}
        exchange = PaperExchange(self.core.instruments, deposits, self.terms.paper)
        for bar in self.warm:
            exchange.on_market(bar)
        return exchange

    def make_code(self, spec: StrategySpec) -> AnyStrategy:
        """The strategy's code."""
        return registry.build(spec, self.folder)


def run_backtest(
    request: StrategyRequest,
    data: MarketData,
    settings: BacktestSettings,
    on_progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Run one strategy over one source; `on_progress(events, ts_ns)` is called now and then.

    Raises `StrategyError` for a strategy or parameters that do not fit, `DataError` for data that does not.
    """
    run = prepare(request, data, settings)
    recorder = Recorder()
    driver = Driver(
        run.core,
        run.exchange(),
        run.make_code,
        on_facts=recorder,
        facts_on=False,
        history={ID: run.warm},
        pacing=run.pacing,
    )
    began = time.perf_counter()
    driver.start(max(run.first_ns - LEAD_NS, run.warm[-1].ts_ns if run.warm else 0))
    count = play(driver, run, on_progress)
    wall_s = time.perf_counter() - began
    span = Span(
        first_ns=run.first_ns,
        events=count,
        warmup_bars=len(run.warm),
        sample_ns=run.core.execution.equity_sample_ns,
    )
    return Outcome(result=result_of(driver, recorder, data, run.terms, span), wall_s=wall_s)


def play(driver: Driver, run: Prepared, on_progress: Callable[[int, int], None] | None) -> int:
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


def told(tape: Iterator[MarketEvent], on_progress: Callable[[int, int], None] | None) -> Iterator[MarketEvent]:
    """The tape, with `on_progress` called now and then."""
    for count, event in enumerate(tape, 1):
        if on_progress is not None and not count % STEP:
            on_progress(count, event.ts_ns)
        yield event


def prepare(request: StrategyRequest, data: MarketData, settings: BacktestSettings) -> Prepared:
    """Everything up to the first event. Raises as `run_backtest`."""
    terms = terms_of(request, data, settings)
    interval_ns = bar_interval_ns(terms.strategy)
    latency_ns = 0 if settings.paper.fill_model is FillModel.SAME_CLOSE else settings.paper.feed_ns
    tape = data.tape(latency_ns, interval_ns)
    warm = tuple(warm_up_bars(tape, terms.strategy.warmup())) if data.kind is DataKind.BARS else ()
    first = next(tape, None)
    if first is None:
        raise DataError(f"{data.name}: no market data is left after {len(warm)} bars of warm-up")
    return Prepared(
        core=core_settings(settings, data, terms.spec, settings.sample_ns or sample_interval_ns(data, interval_ns)),
        terms=terms,
        folder=request.folder,
        warm=warm,
        tape=chain((first,), tape),
        first_ns=first.ts_ns,
        interval_ns=interval_ns,
        pacing=Pacing(conflate_ns=terms.conflate_ns, passes=needed(terms.strategy.feeds()))
        if terms.conflate_ns
        else None,
        is_l2=data.kind is DataKind.L2,
    )


def warm_up_bars(tape: Iterator[MarketEvent], count: int) -> Iterator[Bar]:
    """The first `count` bars of a tape of bars."""
    while count > 0:
        event = next(tape, None)
        if event is None:
            return
        if isinstance(event, Bar):
            count -= 1
            yield event


def core_settings(settings: BacktestSettings, data: MarketData, spec: StrategySpec, sample_ns: int) -> Settings:
    """The engine's settings of a test: its instrument, account, strategy and approver, everything else as given.

    Accounts are compared with the exchange no oftener than equity is sampled: on daily bars once a minute is a lot.
    """
    core = settings.core
    execution = core.execution
    reconcile_ns = max(execution.reconcile_every_ns, sample_ns) if execution.reconcile_every_ns else 0
    return replace(
        core,
        instruments=(data.instrument,),
        accounts=(AccountSpec(id=spec.account, currency=data.instrument.quote, deposit=settings.deposit),),
        strategies=(spec,),
        approvals=replace(core.approvals, enabled=settings.approver is not Approver.AUTO),
        execution=replace(execution, equity_sample_ns=sample_ns, reconcile_every_ns=reconcile_ns),
    )


def terms_of(request: StrategyRequest, data: MarketData, settings: BacktestSettings) -> Terms:
    """The strategy fitted to the data: a bar interval that was not asked for becomes the file's.

    Raises `StrategyError` for a strategy that reads what the data does not have.
    """
    loaded = registry.load(request.kind, request.folder)
    params = dict(request.params)
    if "interval_s" in loaded.strategy.params_type.model_fields and data.interval_ns:
        params.setdefault("interval_s", data.interval_ns // SECOND_NS)
    venue = data.instrument.venue
    account = next((a.id for a in settings.core.accounts if venue_of(a.id) == venue), f"{venue}:main")
    spec = StrategySpec(id=ID, kind=request.kind, account=account, instruments=(data.instrument.id,), params=params)
    strategy = registry.build(spec, request.folder)
    missing = sorted({feed.kind.value for feed in strategy.feeds()} - {kind.value for kind in data.reads})
    if missing:
        raise StrategyError(
            f"{request.kind} reads {' and '.join(missing)}, but {data.name} has only "
            f"{' and '.join(sorted(kind.value for kind in data.reads))}"
        )
    return Terms(
        spec=spec,
        strategy=strategy,
        source_hash=loaded.source_hash,
        paper=replace(settings.paper, venue=venue),
        deposit=settings.deposit,
        approver=settings.approver,
        conflate_ns=0 if data.kind is DataKind.BARS else settings.conflate_ns,
    )


def bar_interval_ns(strategy: Strategy[Any, Any]) -> int:
    """The bars a strategy reads; 0 = none. Raises `StrategyError` for more than one interval."""
    intervals = {feed.interval_ns for feed in strategy.feeds() if feed.kind is FeedKind.BAR}
    if len(intervals) > 1:
        raise StrategyError(f"{strategy.kind} reads bars of {len(intervals)} intervals; a backtest can feed one")
    return intervals.pop() if intervals else 0


def sample_interval_ns(data: MarketData, interval_ns: int) -> int:
    """How often equity is sampled: about `SAMPLES` times, in whole bars, at least daily; each second if not known."""
    span_ns = data.last_ns - data.first_ns
    unit = interval_ns or SECOND_NS
    wanted = min(span_ns // SAMPLES, 86_400 * SECOND_NS)
    return max(unit, wanted // unit * unit)
