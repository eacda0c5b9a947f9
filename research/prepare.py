"""A run before its first event: settings, warm-up, and the tape after it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from domain.account import venue_of
from domain.errors import DataError
from domain.instrument import InstrumentId
from domain.market import Bar, Feed, FeedKind, MarketEvent
from domain.settings import AccountSpec, ApprovalSettings, Person, Settings, StrategySpec
from engine.core.core import AnyStrategy
from engine.data.store.store import DAY_NS, when
from engine.strategies import registry
from exchanges.paper.config import FillModel, PaperConfig
from exchanges.paper.exchange import PaperExchange
from research.compiled import Pacing, needed
from research.fit import bars_from, build_all, check_sources, currency_of
from research.market_data import DataKind, MarketData
from research.merge import Merged
from research.plan import Plan
from research.provenance import provenance_of
from research.record import Built, Terms
from research.result import Approver
from research.venues import PaperVenues

SECOND_NS = 1_000_000_000
SAMPLES = 2_000
"""Equity samples of a run whose span is known."""
BarKey = tuple[InstrumentId, int]
"""Instrument and interval of bars."""
Opener = Callable[
    [Plan, Sequence[MarketData], dict[str, PaperConfig], dict[InstrumentId, tuple[int, ...]]],
    tuple[Iterator[MarketEvent], int],
]
"""Opens the tape of a plan (`open_tape`)."""


class BacktestSettings(Struct, frozen=True, kw_only=True):
    """The world the strategies are put in: the engine's own settings, the exchange's, and what only a test has.

    Instruments, accounts, strategies and approvals of `core` are replaced by those of the test. `paper` is every
    venue's, but for those named in `paper_of`; `deposit` is each account's. `conflate_ns` is for what is more than
    bars, as it is live. `sample_ns` 0 = equity is sampled by the span.
    """

    core: Settings
    paper: PaperConfig = PaperConfig()
    deposit: Decimal = Decimal(100_000)
    approver: Approver = Approver.AUTO
    conflate_ns: int = 100_000_000
    sample_ns: int = 0
    paper_of: dict[str, PaperConfig] = field(default_factory=dict)


class Prepared(Struct, frozen=True, kw_only=True):
    """What a driver needs. `warm` are the bars that the exchange has seen before the run, `history` each strategy's."""

    core: Settings
    terms: Terms
    folders: dict[str, Path | None]
    warm: tuple[Bar, ...]
    history: dict[str, tuple[Bar, ...]]
    tape: Iterator[MarketEvent]
    first_ns: int
    interval_ns: int
    """Of the finest bars that are played; 0 = none."""
    pacing: Pacing | None
    is_l2: bool

    def exchange(self) -> PaperExchange | PaperVenues:
        """Fresh exchanges, one a venue, which have seen the warm-up bars."""
        made = [self._exchange_of(venue, paper) for venue, paper in self.terms.paper.items()]
        exchange: PaperExchange | PaperVenues = made[0] if len(made) == 1 else PaperVenues(made)
        for bar in self.warm:
            exchange.on_market(bar)
        return exchange

    def _exchange_of(self, venue: str, paper: PaperConfig) -> PaperExchange:
        listed = [instrument for instrument in self.core.instruments if instrument.venue == venue]
        deposits = {account.id: account.deposit for account in self.core.accounts if venue_of(account.id) == venue}
        return PaperExchange(listed, deposits, paper)

    def make_code(self, spec: StrategySpec) -> AnyStrategy:
        """A strategy's code."""
        return registry.build(spec, self.folders[spec.id])


def prepare_plan(
    plan: Plan, sources: Sequence[MarketData], settings: BacktestSettings, opener: Opener | None = None
) -> Prepared:
    """Everything up to the first event; `opener` stands in for `open_tape`. Raises as `research.backtest.run_plan`."""
    check_sources(plan, sources)
    strategies = tuple(build_all(plan, sources, settings.core))
    feeds = [feed for built in strategies for feed in built.code.feeds()]
    intervals_ns = bar_intervals_ns(feeds)
    venues = list(dict.fromkeys(source.instrument.venue for source in sources))
    paper = {venue: paper_config(settings, venue, rank) for rank, venue in enumerate(venues)}
    tape, begun_ns = (opener or open_tape)(plan, sources, paper, intervals_ns)
    history, warm, rest = warm_up(tape, strategies, sources, max(begun_ns, plan.start_ns))
    first = next(rest, None)
    if first is None:
        raise DataError(nothing_left(plan, sources, strategies, len(warm)))
    finest_ns = min((ns for each in intervals_ns.values() for ns in each), default=0)
    sample_ns = settings.sample_ns or sample_interval_ns(plan, sources, finest_ns)
    core = core_settings(settings, sources, strategies, sample_ns)
    is_bars_only = all(source.kind is DataKind.BARS for source in sources)
    conflate_ns = 0 if is_bars_only else settings.conflate_ns
    terms = Terms(
        strategies=strategies,
        sources=tuple(sources),
        intervals_ns=intervals_ns,
        paper=paper,
        deposit=settings.deposit,
        currency=currency_of(sources),
        approver=settings.approver,
        conflate_ns=conflate_ns,
        provenance=provenance_of(
            (core, paper, conflate_ns, plan.joins, plan.start_ns, plan.end_ns),
            strategies,
            sources,
            plan.seed,
            plan.asked.get("command", ""),
        ),
        asked=plan.asked,
        notes=tuple(run_notes(sources, strategies, intervals_ns, first.ts_ns)),
    )
    return Prepared(
        core=core,
        terms=terms,
        folders={tested.id: tested.folder for tested in plan.strategies},
        warm=warm,
        history=history,
        tape=chain((first,), rest),
        first_ns=first.ts_ns,
        interval_ns=finest_ns,
        pacing=Pacing(conflate_ns=conflate_ns, passes=passes(feeds, sources)) if conflate_ns else None,
        is_l2=len(sources) == 1 and sources[0].kind is DataKind.L2,
    )


def bar_intervals_ns(feeds: Sequence[Feed]) -> dict[InstrumentId, tuple[int, ...]]:
    """Intervals of the bars that strategies read, by instrument, finest first."""
    found: dict[InstrumentId, set[int]] = {}
    for feed in feeds:
        if feed.kind is FeedKind.BAR:
            found.setdefault(feed.instrument, set()).add(feed.interval_ns)
    return {instrument: tuple(sorted(intervals)) for instrument, intervals in found.items()}


def paper_config(settings: BacktestSettings, venue: str, rank: int) -> PaperConfig:
    """The terms of one venue; each draws its jitter from a seed of its own."""
    paper = settings.paper_of.get(venue, settings.paper)
    return replace(paper, venue=venue, seed=paper.seed + rank)


def feed_latency_ns(paper: PaperConfig) -> int:
    """How long after it happened the engine hears of something: at once where it may fill at that very price."""
    return 0 if paper.fill_model is FillModel.SAME_CLOSE else paper.feed_ns


def open_tape(
    plan: Plan,
    sources: Sequence[MarketData],
    paper: dict[str, PaperConfig],
    intervals_ns: dict[InstrumentId, tuple[int, ...]],
) -> tuple[Iterator[MarketEvent], int]:
    """All events in order, and when every source has begun. Raises `DataError`."""
    streams = []
    for source in sources:
        instrument = source.instrument
        wanted = intervals_ns.get(instrument.id, ()) if source is bars_from(instrument.id, sources) else ()
        streams.append(source.tape(feed_latency_ns(paper[instrument.venue]), *wanted))
    if len(streams) == 1 and (not plan.end_ns or 0 < sources[0].last_ns <= plan.end_ns):
        return streams[0], 0
    end_ns = plan.end_ns + max(terms.feed_ns for terms in paper.values()) if plan.end_ns else 0
    merged = Merged(streams, [source.name for source in sources], joins=plan.joins, end_ns=end_ns)
    return iter(merged), merged.begun_ns


def warm_up(
    tape: Iterator[MarketEvent], strategies: Sequence[Built], sources: Sequence[MarketData], since_ns: int
) -> tuple[dict[str, tuple[Bar, ...]], tuple[Bar, ...], Iterator[MarketEvent]]:
    """Each strategy's history, all bars in it in order, and the tape from the first event of the run.

    As live, the history is the newest bars of every feed before the run. Only recorded bars warm up: what is made of
    trades has no past.
    """
    kept: dict[BarKey, deque[tuple[int, Bar]]] = {}
    for built in strategies:
        for key in _warmed(built, sources):
            deepest = max(built.warmup_bars, (kept[key].maxlen or 0) if key in kept else 0)
            kept[key] = deque(maxlen=deepest)
    missing = dict.fromkeys(kept)
    last_ns = 0
    for number, event in enumerate(tape):
        if not missing and event.ts_ns >= since_ns and event.ts_ns > last_ns:
            tape = chain((event,), tape)
            break
        last_ns = event.ts_ns
        if type(event) is Bar and (bars := kept.get((event.instrument, event.interval_ns))) is not None:
            bars.append((number, event))
            if len(bars) == bars.maxlen:
                missing.pop((event.instrument, event.interval_ns), None)
    history = {}
    for built in strategies:
        bars_of = [bar for key in _warmed(built, sources) for _, bar in list(kept[key])[-built.warmup_bars :]]
        history[built.spec.id] = tuple(sorted(bars_of, key=lambda bar: bar.open_ts_ns + bar.interval_ns))
    seen = sorted((pair for bars in kept.values() for pair in bars), key=lambda pair: pair[0])
    return history, tuple(bar for _, bar in seen), tape


def _warmed(built: Built, sources: Sequence[MarketData]) -> list[BarKey]:
    """The bar feeds of a strategy that have a recorded past."""
    if not built.warmup_bars:
        return []
    feeds = [feed for feed in built.code.feeds() if feed.kind is FeedKind.BAR]
    return [
        (feed.instrument, feed.interval_ns)
        for feed in feeds
        if bars_from(feed.instrument, sources).kind is DataKind.BARS
    ]


def run_notes(
    sources: Sequence[MarketData],
    strategies: Sequence[Built],
    intervals_ns: dict[InstrumentId, tuple[int, ...]],
    first_ns: int,
) -> Iterator[str]:
    """What a reader has to know of how sources and strategies met."""
    for source in sources:
        if source is bars_from(source.instrument.id, sources):
            yield from source.notes_of(*intervals_ns.get(source.instrument.id, ()))
        unused_ns, span_ns = first_ns - source.first_ns, source.last_ns - source.first_ns
        if len(sources) > 1 and span_ns and unused_ns > span_ns // 10:
            yield f"{source.name}: what is before {when(first_ns)} is used for warm-up alone"
    for built in strategies:
        cold = [feed for feed in built.code.feeds() if feed.kind is FeedKind.BAR]
        if built.warmup_bars and any(bars_from(f.instrument, sources).kind is not DataKind.BARS for f in cold):
            yield f"{built.spec.id} begins cold: its {built.warmup_bars} bars of warm-up are made in the run itself"


def nothing_left(plan: Plan, sources: Sequence[MarketData], strategies: Sequence[Built], warm: int) -> str:
    """Why a run has no first event."""
    if len(sources) > 1 and not warm and not any(built.warmup_bars for built in strategies):
        return f"{', '.join(source.name for source in sources)}: they have no time in common within the span"
    names = ", ".join(source.name for source in sources)
    text = f"{names}: no market data is left" + (f" after {warm} bars of warm-up" if warm else " within the span")
    ended = next((source for source in sources if 0 < source.last_ns <= plan.start_ns), None)
    if ended is not None:
        return f"{text}; {ended.name} ends {when(ended.last_ns)}, the span begins {when(plan.start_ns)}"
    needs = [f"{built.spec.id} needs {built.warmup_bars} of each feed" for built in strategies if built.warmup_bars]
    return f"{text}; {', '.join(needs)}" if needs else text


def core_settings(
    settings: BacktestSettings, sources: Sequence[MarketData], strategies: Sequence[Built], sample_ns: int
) -> Settings:
    """The engine's settings of a test: its instruments, accounts, strategies and approver, everything else as given.

    The team's persons are not in it, so that a result is the same for every team, and after somebody has joined it.
    Accounts are compared with the exchange once a day: they are one program, and once a minute would be a third of a
    quiet run.
    """
    core = settings.core
    execution = core.execution
    reconcile_ns = max(execution.reconcile_every_ns, sample_ns, DAY_NS) if execution.reconcile_every_ns else 0
    instruments = {source.instrument.id: source.instrument for source in sources}
    quotes: dict[str, dict[str, None]] = {}
    for built in strategies:
        for instrument in built.spec.instruments:
            quotes.setdefault(built.spec.account_of(instrument), {})[instruments[instrument].quote] = None
    return replace(
        core,
        instruments=tuple(instruments.values()),
        accounts=tuple(
            AccountSpec(id=account, currency=next(iter(found)) if len(found) == 1 else "USD", deposit=settings.deposit)
            for account, found in quotes.items()
        ),
        strategies=tuple(built.spec for built in strategies),
        persons=silent_voters(core.approvals) if settings.approver is Approver.NEVER else (),
        approvals=replace(core.approvals, enabled=settings.approver is not Approver.AUTO),
        execution=replace(execution, equity_sample_ns=sample_ns, reconcile_every_ns=reconcile_ns),
    )


def silent_voters(approvals: ApprovalSettings) -> tuple[Person, ...]:
    """As many as an order needs; they are asked and never answer."""
    return tuple(
        Person(id=f"voter{number}", name=f"Voter {number}", role=approvals.approver_role)
        for number in range(1, approvals.order_votes + 1)
    )


def passes(feeds: Sequence[Feed], sources: Sequence[MarketData]) -> frozenset[type]:
    """Kinds of events that the engine needs: of each instrument what is read, and a price."""
    found: frozenset[type] = frozenset()
    for name in {source.instrument.id: None for source in sources}:
        found |= needed(feed for feed in feeds if feed.instrument == name)
    return found


def sample_interval_ns(plan: Plan, sources: Sequence[MarketData], interval_ns: int) -> int:
    """How often equity is sampled: about `SAMPLES` times, in whole bars, at least daily; each second if not known."""
    firsts, lasts = [source.first_ns for source in sources], [source.last_ns for source in sources]
    first_ns, last_ns = (min(firsts), max(lasts)) if plan.joins else (max(firsts), min(lasts))
    first_ns, last_ns = max(first_ns, plan.start_ns), min(last_ns, plan.end_ns or last_ns)
    unit = interval_ns or SECOND_NS
    wanted = min(max(0, last_ns - first_ns) // SAMPLES, DAY_NS)
    return max(unit, wanted // unit * unit)
