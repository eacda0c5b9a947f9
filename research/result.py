"""What came out of a backtest: the facts that are kept while it runs, and the result made of them."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from domain.breakers import Watch
from domain.facts import Alerted, BreakerChanged, EquitySampled, Fact, FillBooked, Refused, Severity
from domain.instrument import ZERO
from domain.performance import Ratio
from domain.settings import StrategySpec
from domain.strategy import Strategy
from engine.core.recovery import state_hash
from exchanges.paper.config import FillModel, PaperConfig
from research.driver import Driver
from research.market_data import DataKind, MarketData
from risk.statistics import Drawdown, Trade, drawdown, round_trips, sharpe, time_in_market_ns


class Approver(enum.StrEnum):
    """Who answers when an order is large enough to need a vote."""

    AUTO = "auto"
    """Nobody is asked: approvals are off."""
    NEVER = "never"
    """Large orders wait for a vote that never comes, and expire."""


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
    sharpe: Ratio
    exposure: float
    samples: tuple[tuple[int, Decimal], ...]
    sample_ns: int
    refusals: dict[str, int]
    breakers: dict[str, int]
    """Breakers of the matrix that were watched, and how often each opened."""
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


class Terms(Struct, frozen=True, kw_only=True):
    """What was tested, and the terms it was tested on. `conflate_ns` 0 = every event reached the engine."""

    spec: StrategySpec
    strategy: Strategy[Any, Any]
    source_hash: str
    paper: PaperConfig
    deposit: Decimal
    approver: Approver
    conflate_ns: int


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
        self.trips: Counter[str] = Counter()
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
            elif isinstance(fact, BreakerChanged) and fact.state == "open":
                self.trips[fact.name] += 1
            elif isinstance(fact, Alerted) and fact.severity is not Severity.INFO:
                self.alerts[fact.text] = None


def result_of(driver: Driver, recorder: Recorder, data: MarketData, terms: Terms, span: Span) -> Result:
    """Everything there is to say about a run that has ended."""
    core, instrument, paper, spec = driver.core, data.instrument, terms.paper, terms.spec
    state = core.state
    account = state.accounts[spec.account]
    equity = core.equity(spec.account)
    samples = [(span.first_ns, terms.deposit), *recorder.equity, (state.ts_ns, equity)]
    position = account.positions.get(instrument.id)
    length_ns = state.ts_ns - span.first_ns
    instant = paper.fill_model is FillModel.SAME_CLOSE
    latency = {"feed": paper.feed_ns, "entry": paper.entry_ns, "response": paper.response_ns}
    tested = state.strategies[spec.id]
    return Result(
        strategy=spec.kind,
        source_hash=terms.source_hash,
        params=terms.strategy.params.model_dump(),
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
        approver=terms.approver,
        conflate_ms=terms.conflate_ns / 1e6,
        currency=instrument.quote,
        deposit=terms.deposit,
        equity=equity,
        realised=account.realised,
        unrealised=equity - account.cash,
        fees=account.fees,
        funding=account.funding,
        orders=driver.placed,
        fills=len(recorder.fills),
        open_qty=Decimal(position.qty if position else 0) / instrument.qty_scale,
        trades=tuple(round_trips(recorder.fills, instrument.qty_scale)),
        max_drawdown=drawdown(samples),
        sharpe=sharpe(samples),
        exposure=time_in_market_ns(recorder.fills, state.ts_ns) / length_ns if length_ns else 0.0,
        samples=tuple(samples),
        sample_ns=span.sample_ns,
        refusals=dict(sorted(recorder.refusals.items())),
        breakers={
            watch.value: recorder.trips[watch.value]
            for watch in Watch
            if watch is not Watch.EXCHANGE_FAILURE and state.settings.breakers.rule(watch) is not None
        },
        alerts=tuple(recorder.alerts),
        strategy_status=f"{tested.status} {tested.detail}".strip(),
        state_hash=state_hash(state),
        effects_hash=state.effects_hash.hex(),
    )


def wins(result: Result) -> int:
    """Round trips that earned something after fees."""
    return sum(trade.pnl > ZERO for trade in result.trades)
