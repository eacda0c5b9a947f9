"""The strategy under test on its tape, run as often as the checks need, each time with one thing changed.

    case = Case(plan, sources, settings)
    case.run()                                  the run as it is
    case.run(Change(edit=worlds.cut(ts_ns)))    the same on a tape that ends there

Every run goes through the backtest's own preparation, driver and result: nothing is tested on a model of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.msgpack import Decoder
from msgspec.structs import replace

from domain.codec import encode
from domain.errors import StrategyError
from domain.facts import FillBooked
from domain.instrument import Instrument, InstrumentId
from domain.market import Bar, FeedKind, MarketEvent
from domain.settings import StrategySpec
from engine.core.core import Core
from engine.strategies import registry
from exchanges.paper.config import PaperConfig
from research.backtest import BacktestSettings, Prepared, begin, play, result_after
from research.honesty.trace import AnyStrategy, Trace
from research.honesty.worlds import Edit, Events, Instruments
from research.market_data import DataKind, MarketData
from research.plan import Plan, Tested
from research.prepare import feed_latency_ns, prepare_plan
from research.record import Recorder
from research.result import Result

_read_events = Decoder(list[MarketEvent]).decode


class Change(Struct, frozen=True, kw_only=True):
    """What is other than in the plain run; nothing by default.

    The run begins at `start_ns` (0 = when it is warm), warmed up by `warm` bars of each feed (None = as declared). At
    `until_ns` it stops, although the tape goes on (0 = it does not).
    """

    edit: Edit | None = None
    params: dict[str, Any] = {}
    paper: Callable[[PaperConfig], PaperConfig] | None = None
    """Terms of the exchange, of every venue by itself."""
    contract: Callable[[Instrument], Instrument] | None = None
    start_ns: int = 0
    warm: int | None = None
    until_ns: int = 0


PLAIN = Change()


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


class FillRecorder(Recorder):
    """Keeps every fill beside what a result is made of."""

    def __init__(self, core: Core) -> None:
        """Nothing yet."""
        super().__init__(core)
        self.booked: list[FillBooked] = []

    def _fill(self, fact: FillBooked) -> None:
        super()._fill(fact)
        self.booked.append(fact)


class Case:
    """One strategy, its data and the terms it is tested on.

    Raises what `run_plan` raises: a strategy that cannot be loaded, data that does not fit.
    """

    def __init__(
        self,
        plan: Plan,
        sources: Sequence[MarketData],
        settings: BacktestSettings,
        *,
        everything: Sequence[MarketData] = (),
    ) -> None:
        """Look once at what will run; equity is sampled as often in every run, however long its tape.

        `plan` has one strategy; `everything` is the universe that the sources were chosen from.
        """
        self.tested = only_one(plan)
        self.plan, self.everything = plan, tuple(everything)
        self.sources = tuple(kept(source) for source in sources)
        run = prepare_plan(plan, self.sources, settings)
        self.settings = replace(settings, sample_ns=run.core.execution.equity_sample_ns)
        (built,) = run.terms.strategies
        self.spec: StrategySpec = built.spec
        self.feeds = built.code.feeds()
        self.warmup = built.warmup_bars
        self.loaded = registry.load(self.tested.kind, self.tested.folder)
        self.interval_ns = run.interval_ns
        self._plain: Run | None = None

    @property
    def instruments(self) -> Instruments:
        """The contracts by id."""
        return {source.instrument.id: source.instrument for source in self.sources}

    @property
    def is_bars(self) -> bool:
        """Whether bars are all there is to trade on."""
        return all(source.kind is DataKind.BARS for source in self.sources)

    @property
    def names(self) -> tuple[str, ...]:
        """The sources."""
        return tuple(source.name for source in self.sources)

    def fresh(self) -> AnyStrategy:
        """The strategy, its code read anew."""
        return registry.build(self.spec, self.tested.folder)

    def plain(self) -> Run:
        """The run as it is, made once."""
        if self._plain is None:
            self._plain = self.run()
        return self._plain

    def tape(self) -> Events:
        """All events that a run can see, in order; those before its first decision too."""
        wanted: dict[InstrumentId, list[int]] = {}
        for feed in self.feeds:
            if feed.kind is FeedKind.BAR:
                wanted.setdefault(feed.instrument, []).append(feed.interval_ns)
        events = [
            event
            for source in self.sources
            for event in source.tape(self.latency_ns(source), *sorted(set(wanted.get(source.instrument.id, ()))))
        ]
        return sorted(events, key=lambda event: event.ts_ns) if len(self.sources) > 1 else events

    @property
    def papers(self) -> tuple[PaperConfig, ...]:
        """The terms of each source's exchange."""
        return tuple(self._paper(source) for source in self.sources)

    def latency_ns(self, source: MarketData) -> int:
        """How late the events of a source come."""
        return feed_latency_ns(self._paper(source))

    def _paper(self, source: MarketData) -> PaperConfig:
        return self.settings.paper_of.get(source.instrument.venue, self.settings.paper)

    def bars(self) -> list[Bar]:
        """The bars of the tape."""
        return [event for event in self.tape() if type(event) is Bar]

    def run(
        self,
        change: Change = PLAIN,
        trace: Trace | None = None,
        make_code: Callable[[StrategySpec], AnyStrategy] | None = None,
    ) -> Run:
        """One run. `trace` follows the strategy; `make_code` makes it, by default anew from its source."""
        followed = trace or Trace()
        sources = self._changed(change)  # a name here: who climbs frames for a tape meets this run's, not the whole one
        run = self._prepared(change, sources)
        make = make_code or run.make_code
        driver, recorder = begin(run, FillRecorder, lambda spec: followed.follow(make(spec)))
        result = result_after(run, driver, recorder, play(driver, run, None))
        return Run(result=result, fills=tuple(recorder.booked), trace=followed)

    def _changed(self, change: Change) -> tuple[MarketData, ...]:
        """The sources of a run; one that is left empty by the change is none."""
        found = self.sources
        if change.contract is not None:
            contract = change.contract
            found = tuple(replace(source, instrument=contract(source.instrument)) for source in found)
        if change.edit is not None:
            found = tuple(replace(source, tape=_edited(source, change.edit)) for source in found)
        return found

    def _prepared(self, change: Change, sources: Sequence[MarketData]) -> Prepared:
        settings = self.settings
        tested = replace(self.tested, params={**self.tested.params, **change.params})
        if change.paper is not None:
            of_venue = {venue: change.paper(paper) for venue, paper in settings.paper_of.items()}
            settings = replace(settings, paper=change.paper(settings.paper), paper_of=of_venue)
        plan: Plan = replace(self.plan, strategies=(tested,), start_ns=change.start_ns or self.plan.start_ns)
        run = prepare_plan(plan, sources, settings)
        if change.warm is not None:
            run = self._rewarmed(run, change.warm)
        if change.until_ns:
            run = replace(run, tape=_stopped(run.tape, change.until_ns))
        return run

    def _rewarmed(self, run: Prepared, count: int) -> Prepared:
        """The same run, warmed up by the newest `count` bars of each feed."""
        before = [bar for bar in self.bars() if bar.ts_ns < run.first_ns]
        chosen: list[Bar] = []
        for feed in self.feeds:
            of_it = [b for b in before if b.instrument == feed.instrument and b.interval_ns == feed.interval_ns]
            chosen += of_it[-count:] if count else []
        chosen.sort(key=lambda bar: bar.open_ts_ns + bar.interval_ns)
        return replace(
            run, history={self.spec.id: tuple(chosen)}, warm=tuple(sorted(chosen, key=lambda bar: bar.ts_ns))
        )


def only_one(plan: Plan) -> Tested:
    """The one strategy of a plan. Raises `StrategyError` for none, or several."""
    if len(plan.strategies) != 1:
        raise StrategyError(
            f"one strategy is checked at a time; the plan comes to {len(plan.strategies)}: "
            f"{', '.join(each.id for each in plan.strategies)}"
        )
    return plan.strategies[0]


def kept(data: MarketData) -> MarketData:
    """The same data, read once; every run gets events of its own."""
    packed: dict[tuple[int, ...], bytes] = {}

    def tape(latency_ns: int, *intervals_ns: int) -> Iterator[MarketEvent]:
        key = latency_ns, *intervals_ns
        if key not in packed:
            packed[key] = encode(list(data.tape(latency_ns, *intervals_ns)))
        return iter(_read_events(packed[key]))

    return replace(data, tape=tape)


def _edited(data: MarketData, edit: Edit) -> Callable[..., Iterator[MarketEvent]]:
    """A tape of events that are all there before the first is shown, and hold nothing else."""

    def tape(latency_ns: int, *intervals_ns: int) -> Iterator[MarketEvent]:
        return iter(edit(list(data.tape(latency_ns, *intervals_ns))))

    return tape


def _stopped(tape: Iterator[MarketEvent], until_ns: int) -> Iterator[MarketEvent]:
    for event in tape:
        if event.ts_ns > until_ns:
            return
        yield event
