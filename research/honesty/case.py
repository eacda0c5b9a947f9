"""The strategy under test on its tape, run as often as the checks need, each time with one thing changed.

    case = Case(request, data, settings)
    case.run()                                  the run as it is
    case.run(Change(edit=worlds.cut(ts_ns)))    the same on a tape that ends there

Every run goes through the backtest's own preparation, driver and result: nothing is tested on a model of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

from msgspec import Struct
from msgspec.msgpack import Decoder
from msgspec.structs import replace

from domain.codec import encode
from domain.facts import FillBooked
from domain.instrument import Instrument
from domain.market import Bar, MarketEvent
from domain.settings import StrategySpec
from engine.strategies import registry
from exchanges.paper.config import PaperConfig
from research.backtest import ID, BacktestSettings, Prepared, StrategyRequest, play, prepare
from research.driver import LEAD_NS, Driver
from research.honesty.trace import AnyStrategy, Trace
from research.honesty.worlds import Edit, Events, Instruments
from research.market_data import DataKind, MarketData
from research.result import Recorder, Result, Span, result_of


class Change(Struct, frozen=True, kw_only=True):
    """What is other than in the plain run; nothing by default.

    `skip` bars are left out at the start. `warm`: bars that warm up, of those before the first that trades; None = as
    declared. `begin` is that first bar's number, counted from 0 over the whole tape (None = the one after the warm-up).
    `until_ns`: the run stops there, although the tape goes on (0 = it does not).
    """

    edit: Edit | None = None
    params: dict[str, Any] = {}
    paper: PaperConfig | None = None
    contract: Callable[[Instrument], Instrument] | None = None
    begin: int | None = None
    warm: int | None = None
    until_ns: int = 0


PLAIN = Change()
SAMPLES = 200
_read_events = Decoder(list[MarketEvent]).decode


class Run(Struct, frozen=True, kw_only=True):
    """What came out of one run."""

    result: Result
    fills: tuple[FillBooked, ...]
    trace: Trace

    @property
    def pnl(self) -> float:
        """Profit after fees and funding."""
        return float(self.result.pnl)

    @property
    def gross(self) -> float:
        """Profit before fees."""
        return float(self.result.pnl + self.result.fees)


class Case:
    """One strategy, its data and the terms it is tested on.

    Raises what `run_backtest` raises: a strategy that cannot be loaded, data that does not fit.
    """

    def __init__(self, request: StrategyRequest, data: MarketData, settings: BacktestSettings) -> None:
        """Look once at what will run; equity is sampled as often in every run, however long its tape."""
        data = kept(data)
        run = prepare(request, data, settings)
        self.request, self.data = request, data
        self.settings = replace(settings, sample_ns=sample_ns(data, run))
        self.spec: StrategySpec = run.terms.spec
        self.loaded = registry.load(request.kind, request.folder)
        self.warmup = len(run.warm)
        self.interval_ns = run.interval_ns
        self.first_ns = run.first_ns
        self._plain: Run | None = None

    @property
    def instruments(self) -> Instruments:
        """The contracts by id."""
        return {self.data.instrument.id: self.data.instrument}

    @property
    def is_bars(self) -> bool:
        """Whether bars are all there is to trade on."""
        return self.data.kind is DataKind.BARS

    def fresh(self) -> AnyStrategy:
        """The strategy, its code read anew."""
        return registry.build(self.spec, self.request.folder)

    def plain(self) -> Run:
        """The run as it is, made once."""
        if self._plain is None:
            self._plain = self.run()
        return self._plain

    def tape(self) -> Events:
        """The events of the plain run, warm-up included."""
        run = prepare(self.request, self.data, self.settings)
        return [*run.warm, *run.tape]

    def run(
        self,
        change: Change = PLAIN,
        trace: Trace | None = None,
        make_code: Callable[[StrategySpec], AnyStrategy] | None = None,
    ) -> Run:
        """One run. `trace` follows the strategy; `make_code` makes it, by default anew from its source."""
        followed = trace or Trace()
        prepared, data = self._prepared(change)
        make = make_code or prepared.make_code
        recorder = Recorder()
        driver = Driver(
            prepared.core,
            prepared.exchange(),
            lambda spec: followed.follow(make(spec)),
            on_facts=recorder,
            facts_on=False,
            history={ID: prepared.warm},
            pacing=prepared.pacing,
        )
        driver.start(max(prepared.first_ns - LEAD_NS, prepared.warm[-1].ts_ns if prepared.warm else 0))
        count = play(driver, prepared, None)
        span = Span(
            first_ns=prepared.first_ns,
            events=count,
            warmup_bars=len(prepared.warm),
            sample_ns=self.settings.sample_ns,
        )
        result = result_of(driver, recorder, data, prepared.terms, span)
        return Run(result=result, fills=tuple(recorder.fills), trace=followed)

    def _prepared(self, change: Change) -> tuple[Prepared, MarketData]:
        data, request, settings = self.data, self.request, self.settings
        if change.contract is not None:
            data = replace(data, instrument=change.contract(data.instrument))
        if change.edit is not None or change.begin is not None:
            data = replace(data, tape=_edited(data, change, self.warmup))
        if change.params:
            request = replace(request, params={**request.params, **change.params})
        if change.paper is not None:
            settings = replace(settings, paper=change.paper)
        run = prepare(request, data, settings)
        if change.warm is not None:
            run = _rewarmed(run, change.warm)
        if change.until_ns:
            run = replace(run, tape=_stopped(run.tape, change.until_ns))
        return run, data


def sample_ns(data: MarketData, run: Prepared) -> int:
    """How often equity is sampled and accounts are compared: a tenth as often as in a backtest, for speed."""
    usual_ns, unit_ns = run.core.execution.equity_sample_ns, run.interval_ns or 1
    return max(usual_ns, (data.last_ns - data.first_ns) // SAMPLES // unit_ns * unit_ns)


def kept(data: MarketData) -> MarketData:
    """The same data, read once; every run gets events of its own."""
    packed: dict[tuple[int, int], bytes] = {}

    def tape(latency_ns: int, interval_ns: int) -> Iterator[MarketEvent]:
        key = latency_ns, interval_ns
        if key not in packed:
            packed[key] = encode(list(data.tape(latency_ns, interval_ns)))
        return iter(_read_events(packed[key]))

    return replace(data, tape=tape)


def _edited(data: MarketData, change: Change, warmup: int) -> Callable[[int, int], Iterator[MarketEvent]]:
    """A tape of events that are all there before the first is shown, and hold nothing else."""

    def tape(latency_ns: int, interval_ns: int) -> Iterator[MarketEvent]:
        events = list(data.tape(latency_ns, interval_ns))
        if change.edit is not None:
            events = change.edit(events)
        if change.begin is not None:
            warm = warmup if change.warm is None else change.warm
            events = _without_bars(events, max(0, change.begin - warm))
        return iter(events)

    return tape


def _without_bars(events: Sequence[MarketEvent], count: int) -> Events:
    """The events after the first `count` bars."""
    for at, event in enumerate(events):
        if type(event) is Bar:
            count -= 1
        if count < 0:
            return list(events[at:])
    return []


def _rewarmed(run: Prepared, count: int) -> Prepared:
    """The same bars, of which `count` warm up."""
    events = iter(chain(run.warm, run.tape))
    warm = [event for event in (next(events, None) for _ in range(count)) if isinstance(event, Bar)]
    first = next(events, None)
    if first is None:
        return run
    return replace(run, warm=tuple(warm), tape=chain((first,), events), first_ns=first.ts_ns)


def _stopped(tape: Iterator[MarketEvent], until_ns: int) -> Iterator[MarketEvent]:
    for event in tape:
        if event.ts_ns > until_ns:
            return
        yield event
