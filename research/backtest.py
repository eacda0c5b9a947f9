"""Backtest: one strategy over recorded or simulated market data, through the code that trades live.

    data = open_file(path, FileOptions(...))
    result = run_backtest(StrategyRequest(kind="turtle"), data, BacktestSettings(...))

The tape drives the same kernel, executor and gate as `moondev run`, against the paper exchange, in virtual time.
The same input gives the same `state_hash`, on every machine and under every PYTHONHASHSEED.
"""

from __future__ import annotations

import enum
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from domain.errors import DataError, StrategyError
from domain.facts import Alerted, EquitySampled, Fact, FillBooked, Refused, Severity
from domain.instrument import ZERO
from domain.market import Bar, FeedKind, MarketEvent
from domain.settings import AccountSpec, Settings, StrategySpec
from domain.strategy import Strategy
from engine.core.recovery import state_hash
from engine.strategies import registry
from exchanges.paper.config import FillModel, PaperConfig
from exchanges.paper.exchange import PaperExchange
from research.driver import LEAD_NS, Driver
from research.market_data import DataKind, MarketData
from research.statistics import Drawdown, Sharpe, Trade, drawdown, round_trips, sharpe, time_in_market_ns

SECOND_NS = 1_000_000_000
STEP = 8_192
"""Events between two calls of `on_progress`."""
SAMPLES = 2_000
"""Equity samples of a run whose span is known."""
ID = "tested"


class Approver(enum.StrEnum):
    """Who answers when an order is large enough to need a vote."""

    AUTO = "auto"
    """Nobody is asked: approvals are off."""
    NEVER = "never"
    """Large orders wait for a vote that never comes, and expire."""


class StrategyRequest(Struct, frozen=True, kw_only=True):
    """What to test: a registry kind or `file.py:Class`, its parameters, and the user's folder of strategies."""

    kind: str
    params: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None


class BacktestSettings(Struct, frozen=True, kw_only=True):
    """The world the strategy is put in: the engine's own settings, the exchange's, and what only a test has.

    `core.instruments`, `accounts` and `strategies` are replaced by those of the test. `sample_ns` 0 = by the span.
    """

    core: Settings
    paper: PaperConfig = PaperConfig()
    deposit: Decimal = Decimal(100_000)
    approver: Approver = Approver.AUTO
    conflate_ns: int = 100_000_000
    sample_ns: int = 0
    warm_up: bool = True


class Result(Struct, frozen=True, kw_only=True):
    """Everything a run says of itself. Money is in `currency`; times are nanoseconds UTC."""

    strategy: str
    source_hash: str
    params: dict[str, Any]
    instrument: str
    data: str
    data_kind: DataKind
    data_sha256: str
    notes: tuple[str, ...]
    first_ns: int
    last_ns: int
    events: int
    warmup_bars: int
    fill_model: FillModel
    latency_ms: dict[str, float]
    maker_fee: Decimal
    taker_fee: Decimal
    approver: Approver
    conflate_ms: float
    currency: str
    deposit: Decimal
    equity: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    funding: Decimal
    orders: int
    fills: int
    open_qty: Decimal
    trades: tuple[Trade, ...]
    max_drawdown: Drawdown
    sharpe: Sharpe
    exposure: float
    samples: tuple[tuple[int, Decimal], ...]
    sample_ns: int
    refusals: dict[str, int]
    alerts: tuple[str, ...]
    strategy_status: str
    state_hash: str
    effects_hash: str

    @property
    def pnl(self) -> Decimal:
        """Profit after fees and funding, open positions at the last price."""
        return self.equity - self.deposit


class Outcome(Struct, frozen=True, kw_only=True):
    """A result and how long it took; only `result` is the same from run to run."""

    result: Result
    wall_s: float

    @property
    def events_per_s(self) -> float:
        """Market events a second, over the run without the opening of the file."""
        return self.result.events / self.wall_s if self.wall_s else 0.0


class Subject(Struct, frozen=True, kw_only=True):
    """The strategy as it was tested."""

    spec: StrategySpec
    strategy: Strategy[Any, Any]
    source_hash: str


class Span(Struct, frozen=True, kw_only=True):
    """How much market a run saw, and how often its equity was sampled."""

    first_ns: int
    events: int
    warmup_bars: int
    sample_ns: int


class Recorder:
    """Keeps the facts that a result is made of."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.fills: list[FillBooked] = []
        self.equity: list[tuple[int, Decimal]] = []
        self.refusals: Counter[str] = Counter()
        self.alerts: dict[str, None] = {}

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Take the facts of one event."""
        for fact in facts:
            if isinstance(fact, FillBooked):
                self.fills.append(fact)
            elif isinstance(fact, EquitySampled):
                self.equity.append((fact.ts_ns, fact.equity))
            elif isinstance(fact, Refused):
                self.refusals[fact.reason.value] += 1
            elif isinstance(fact, Alerted) and fact.severity is not Severity.INFO:
                self.alerts[fact.text] = None


def run_backtest(
    request: StrategyRequest,
    data: MarketData,
    settings: BacktestSettings,
    on_progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Run one strategy over one source; `on_progress(events, ts_ns)` is called now and then.

    Raises `StrategyError` for a strategy or parameters that do not fit, `DataError` for data that does not.
    """
    account = settings.core.accounts[0].id if settings.core.accounts else "PAPER:main"
    spec = StrategySpec(
        id=ID, kind=request.kind, account=account, instruments=(data.instrument.id,), params=request.params
    )
    subject = fitted(spec, data, request.folder)
    spec, strategy = subject.spec, subject.strategy
    interval_ns = bar_interval_ns(strategy)
    sample_ns = settings.sample_ns or sample_interval_ns(data, interval_ns)
    core_settings = core_settings_of(settings, data, spec, sample_ns)
    latency_ns = 0 if settings.paper.fill_model is FillModel.SAME_CLOSE else settings.paper.feed_ns
    events = data.tape(latency_ns, interval_ns)
    warm = list(warm_up_bars(events, strategy.warmup())) if settings.warm_up and not ticks(data) else []
    exchange = PaperExchange((data.instrument,), {account: settings.deposit}, settings.paper)
    recorder = Recorder()
    driver = Driver(
        core_settings,
        exchange,
        lambda wanted: registry.build(wanted, request.folder),
        on_facts=recorder,
        facts_on=False,
        history={ID: warm},
        conflate_ns=settings.conflate_ns if ticks(data) else 0,
    )
    began = time.perf_counter()
    count, first_ns = play(driver, warm, events, on_progress)
    wall_s = time.perf_counter() - began
    if not count:
        raise DataError(f"{data.name}: no market data is left after {len(warm)} bars of warm-up")
    span = Span(first_ns=first_ns, events=count, warmup_bars=len(warm), sample_ns=sample_ns)
    return Outcome(result=result_of(driver, recorder, data, settings, subject, span), wall_s=wall_s)


def ticks(data: MarketData) -> bool:
    """True when the source has more than bars."""
    return data.kind is not DataKind.BARS


def warm_up_bars(events: Iterator[MarketEvent], count: int) -> Iterator[Bar]:
    """The first `count` bars of a tape of bars."""
    while count > 0:
        event = next(events, None)
        if event is None:
            return
        if isinstance(event, Bar):
            count -= 1
            yield event


def play(
    driver: Driver, warm: Sequence[Bar], events: Iterator[MarketEvent], on_progress: Callable[[int, int], None] | None
) -> tuple[int, int]:
    """Start and play the whole tape; returns the number of events and the time of the first."""
    first = next(events, None)
    if first is None:
        return 0, 0
    for bar in warm:
        driver.exchange.on_market(bar)
    first_ns = first.ts_ns
    driver.start(max(first_ns - LEAD_NS, warm[-1].ts_ns if warm else 0))
    tape = chain((first,), events)
    count = 0
    while step := driver.play(islice(tape, STEP)):
        count += step
        if on_progress is not None:
            on_progress(count, driver.core.state.ts_ns)
    return count, first_ns


def core_settings_of(settings: BacktestSettings, data: MarketData, spec: StrategySpec, sample_ns: int) -> Settings:
    """The engine's settings of a test: its instrument, account, strategy and approver, everything else as given."""
    core = settings.core
    currency = data.instrument.quote
    return replace(
        core,
        instruments=(data.instrument,),
        accounts=(AccountSpec(id=spec.account, currency=currency, deposit=settings.deposit),),
        strategies=(spec,),
        approvals=replace(core.approvals, enabled=settings.approver is not Approver.AUTO),
        execution=replace(core.execution, equity_sample_ns=sample_ns),
    )


def fitted(spec: StrategySpec, data: MarketData, folder: Path | None) -> Subject:
    """The strategy for this data: a bar interval that was not asked for becomes the file's. Raises `StrategyError`."""
    loaded = registry.load(spec.kind, folder)
    known = loaded.strategy.params_type.model_fields
    if "interval_s" in known and "interval_s" not in spec.params and data.interval_ns:
        spec = replace(spec, params={**spec.params, "interval_s": data.interval_ns // SECOND_NS})
    strategy = registry.build(spec, folder)
    missing = sorted({feed.kind.value for feed in strategy.feeds()} - {kind.value for kind in data.reads})
    if missing:
        raise StrategyError(
            f"{spec.kind} reads {' and '.join(missing)}, but {data.name} has only "
            f"{' and '.join(sorted(kind.value for kind in data.reads))}"
        )
    return Subject(spec=spec, strategy=strategy, source_hash=loaded.source_hash)


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


def result_of(
    driver: Driver, recorder: Recorder, data: MarketData, settings: BacktestSettings, subject: Subject, span: Span
) -> Result:
    """Everything there is to say about a run that has ended."""
    core, instrument, paper, spec = driver.core, data.instrument, settings.paper, subject.spec
    state = core.state
    account = state.accounts[spec.account]
    equity = core.equity(spec.account)
    samples = [(span.first_ns, settings.deposit), *recorder.equity, (state.ts_ns, equity)]
    position = account.positions.get(instrument.id)
    length_ns = state.ts_ns - span.first_ns
    instant = paper.fill_model is FillModel.SAME_CLOSE
    latency = {"feed": paper.feed_ns, "entry": paper.entry_ns, "response": paper.response_ns}
    tested = state.strategies[ID]
    return Result(
        strategy=spec.kind,
        source_hash=subject.source_hash,
        params=subject.strategy.params.model_dump(),
        instrument=instrument.id,
        data=data.name,
        data_kind=data.kind,
        data_sha256=data.sha256,
        notes=data.notes,
        first_ns=span.first_ns,
        last_ns=state.ts_ns,
        events=span.events,
        warmup_bars=span.warmup_bars,
        fill_model=paper.fill_model,
        latency_ms={name: 0.0 if instant else ns / 1e6 for name, ns in latency.items()},
        maker_fee=instrument.maker_fee,
        taker_fee=instrument.taker_fee,
        approver=settings.approver,
        conflate_ms=settings.conflate_ns / 1e6 if ticks(data) else 0.0,
        currency=instrument.quote,
        deposit=settings.deposit,
        equity=equity,
        realised=account.realised,
        unrealised=equity - account.cash,
        fees=account.fees,
        funding=account.funding,
        orders=driver.exchange.floor.seq,
        fills=len(recorder.fills),
        open_qty=Decimal(position.qty if position else 0) / instrument.qty_scale,
        trades=tuple(round_trips(recorder.fills, instrument.qty_scale)),
        max_drawdown=drawdown(samples),
        sharpe=sharpe(samples),
        exposure=time_in_market_ns(recorder.fills, state.ts_ns) / length_ns if length_ns else 0.0,
        samples=tuple(samples),
        sample_ns=span.sample_ns,
        refusals=dict(sorted(recorder.refusals.items())),
        alerts=tuple(recorder.alerts),
        strategy_status=f"{tested.status} {tested.detail}".strip(),
        state_hash=state_hash(state),
        effects_hash=state.effects_hash.hex(),
    )


def wins(result: Result) -> int:
    """Round trips that earned something after fees."""
    return sum(trade.pnl > ZERO for trade in result.trades)
