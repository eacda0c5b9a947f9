"""Keeps what a result is made of while a run goes on, and makes the result when it has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from domain.breakers import Watch
from domain.facts import Alerted, BreakerChanged, CashMoved, EquitySampled, Fact, FillBooked, Refused, Severity
from domain.instrument import ZERO, AccountId, Instrument, InstrumentId
from domain.order import Intent
from domain.settings import StrategySpec
from engine.core import samples
from engine.core.core import AnyStrategy, Core
from engine.core.recovery import state_hash
from exchanges.paper.config import FillModel, PaperConfig
from research.driver import Driver
from research.frictions import Frictions
from research.market_data import DataKind, MarketData
from research.result import (
    AccountResult,
    Approver,
    OpenPosition,
    Provenance,
    Result,
    SourceResult,
    StrategyResult,
)
from risk.statistics import RoundTrips, Trade, drawdown, sharpe


class Built(Struct, frozen=True, kw_only=True):
    """A strategy as it is tested: its spec, its code, and the hash of its source."""

    spec: StrategySpec
    code: AnyStrategy
    source_hash: str
    warmup_bars: int = 0


class Terms(Struct, frozen=True, kw_only=True):
    """What was tested, and on what terms. `conflate_ns` 0 = every event reached the engine; `paper` is by venue."""

    strategies: tuple[Built, ...]
    sources: tuple[MarketData, ...]
    intervals_ns: dict[InstrumentId, tuple[int, ...]]
    paper: dict[str, PaperConfig]
    deposit: Decimal
    currency: str
    approver: Approver
    conflate_ns: int
    provenance: Provenance
    asked: dict[str, Any]
    notes: tuple[str, ...] = ()


class Span(Struct, frozen=True, kw_only=True):
    """How much market a run saw, and how often its equity was sampled."""

    first_ns: int
    events: int
    warmup_bars: int
    sample_ns: int


class _Slot:
    """What is counted of one account and instrument."""

    def __init__(self, instrument: Instrument) -> None:
        self.trips = RoundTrips(instrument.qty_scale, price_scale=instrument.price_scale)
        self.multiplier = instrument.multiplier
        self.traded = ZERO
        self.fills = 0


class _Presence:
    """How long something was held, over all that counts into it."""

    def __init__(self) -> None:
        self.total_ns = self.since_ns = self.open = 0

    def change(self, ts_ns: int, by: int) -> None:
        """One more position is open (+1) or closed (-1)."""
        if not self.open:
            self.since_ns = ts_ns
        self.open += by
        if not self.open:
            self.total_ns += ts_ns - self.since_ns

    def share(self, first_ns: int, end_ns: int) -> float:
        """Part of the time."""
        held = self.total_ns + (end_ns - self.since_ns if self.open else 0)
        return held / (end_ns - first_ns) if end_ns > first_ns else 0.0


class Recorder:
    """Takes the facts of a run as they come."""

    def __init__(self, core: Core) -> None:
        """Nothing yet; `core` is asked for prices and profits at each sample of equity."""
        self._core = core
        self.frictions = Frictions(core)
        self.fills = 0
        self.refusals: Counter[str] = Counter()
        self.trips: Counter[str] = Counter()
        self.alerts: dict[str, None] = {}
        self.trades: list[Trade] = []
        self.equity: list[tuple[int, Decimal]] = []
        self.gross: list[tuple[int, Decimal]] = []
        self.net: list[tuple[int, Decimal]] = []
        self.prices: dict[InstrumentId, list[tuple[int, float]]] = {}
        self.profits: dict[str, list[tuple[int, Decimal]]] = {}
        self.slots: dict[tuple[AccountId, InstrumentId], _Slot] = {}
        self.presence: dict[str, _Presence] = {}
        """By strategy; "" = all together."""

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Take the facts of one event."""
        equity: Decimal | None = None
        for fact in facts:
            if isinstance(fact, FillBooked):
                self._fill(fact)
            elif isinstance(fact, EquitySampled):
                equity = (equity or ZERO) + fact.equity
            elif isinstance(fact, CashMoved):
                slot = self.slots.get((fact.account, fact.instrument))
                if slot is not None:
                    slot.trips.pay(fact.amount)
            elif isinstance(fact, Refused):
                self.refusals[fact.reason.value] += 1
            elif isinstance(fact, BreakerChanged) and fact.state == "open":
                self.trips[fact.name] += 1
            elif isinstance(fact, Alerted) and fact.severity is not Severity.INFO:
                self.alerts[fact.text] = None
        if equity is not None:
            self.sample(equity)

    def sent(self, intents: Sequence[Intent]) -> None:
        """Take the requests that leave for the exchange."""
        self.frictions.sent(intents)

    def _fill(self, fact: FillBooked) -> None:
        self.fills += 1
        self.frictions.filled(fact)
        key = fact.account, fact.instrument
        slot = self.slots.get(key)
        if slot is None:
            slot = self.slots[key] = _Slot(self._core.instruments[fact.instrument])
        slot.fills += 1
        slot.traded += fact.price * fact.qty
        before = slot.trips.held
        trade = slot.trips.add(fact)
        if trade is not None:
            self.trades.append(replace(trade, qty=trade.qty * slot.multiplier))  # contracts are no base units
        if bool(slot.trips.held) != bool(before):
            for name in ("", fact.owner):
                self.presence.setdefault(name, _Presence()).change(fact.ts_ns, -1 if before else 1)

    def sample(self, equity: Decimal) -> None:
        """Keep what everything is worth now."""
        core = self._core
        ts_ns = core.state.ts_ns
        self.equity.append((ts_ns, equity))
        self.frictions.sample(ts_ns)
        gross, net = exposure(core)
        self.gross.append((ts_ns, gross))
        self.net.append((ts_ns, net))
        for name, instrument in core.instruments.items():
            price = core.markets[name].reference()
            if price:
                self.prices.setdefault(name, []).append((ts_ns, price / instrument.price_scale))
        for name, profit in samples.profits_now(core).items():
            self.profits.setdefault(name, []).append((ts_ns, profit))


def exposure(core: Core) -> tuple[Decimal, Decimal]:
    """Gross and net value of all positions at the reference prices."""
    gross = net = ZERO
    for account in core.state.accounts.values():
        for name, position in account.positions.items():
            if position.qty:
                worth = core.instruments[name].notional(core.markets[name].reference(), position.qty)
                gross += abs(worth)
                net += worth
    return gross, net


def result_of(driver: Driver, recorder: Recorder, terms: Terms, span: Span) -> Result:
    """Everything there is to say about a run that has ended."""
    core = driver.core
    state = core.state
    accounts = tuple(_account(core, name, terms) for name in state.accounts)
    equity = sum((account.equity for account in accounts), start=ZERO)
    deposit = sum((account.deposit for account in accounts), start=ZERO)
    began = (span.first_ns, deposit)
    recorder.sample(equity)
    strategies = tuple(_strategy(driver, recorder, built, span) for built in terms.strategies)
    equities = (began, *recorder.equity)
    first, positions = terms.sources[0], tuple(_open_positions(core))
    paper = next(iter(terms.paper.values()))
    return Result(
        strategy=", ".join(built.spec.kind for built in terms.strategies),
        source_hash=", ".join(built.source_hash for built in terms.strategies),
        params=strategies[0].params if len(strategies) == 1 else {each.id: each.params for each in strategies},
        instrument=", ".join(core.instruments),
        data=", ".join(source.name for source in terms.sources),
        data_kind=DataKind.SIMULATED if any(s.kind is DataKind.SIMULATED for s in terms.sources) else first.kind,
        data_sha256=first.sha256 if len(terms.sources) == 1 else terms.provenance.data_hash,
        notes=(*terms.notes, *(note for source in terms.sources for note in source.notes)),
        first_ns=span.first_ns,
        last_ns=state.ts_ns,
        events=span.events,
        warmup_bars=span.warmup_bars,
        fill_model=paper.fill_model,
        latency_ms=latency_ms(paper),
        maker_fee=first.instrument.maker_fee,
        taker_fee=first.instrument.taker_fee,
        approver=terms.approver,
        conflate_ms=terms.conflate_ns / 1e6,
        currency=terms.currency,
        deposit=deposit,
        equity=equity,
        realised=_total(accounts, "realised"),
        unrealised=_total(accounts, "unrealised"),
        fees=_total(accounts, "fees"),
        funding=_total(accounts, "funding"),
        traded=sum((each.traded for each in strategies), start=ZERO),
        slippage=recorder.frictions.slippage(),
        slipped_fills=recorder.frictions.fills,
        orders=driver.placed,
        fills=recorder.fills,
        open_qty=sum((held.qty for held in positions), start=ZERO) if len(core.instruments) == 1 else ZERO,
        open_positions=positions,
        strategies=strategies,
        sources=tuple(_source(source, recorder, terms) for source in terms.sources),
        accounts=accounts,
        trades=tuple(recorder.trades),
        max_drawdown=drawdown(equities),
        sharpe=sharpe(equities),
        exposure=_exposure(recorder, "", span, state.ts_ns),
        samples=equities,
        prices={name: tuple(prices) for name, prices in recorder.prices.items()},
        gross=((span.first_ns, ZERO), *recorder.gross),
        net=((span.first_ns, ZERO), *recorder.net),
        sample_ns=span.sample_ns,
        refusals=dict(sorted(recorder.refusals.items())),
        breakers=_breakers(core, recorder),
        alerts=tuple(recorder.alerts),
        strategy_status=", ".join(each.status for each in strategies),
        state_hash=state_hash(state),
        effects_hash=state.effects_hash.hex(),
        provenance=terms.provenance,
        settings=state.settings,
        venues=terms.paper,
        asked=terms.asked,
    )


def _breakers(core: Core, recorder: Recorder) -> dict[str, int]:
    """Breakers that were watched, and how often each opened."""
    return {
        watch.value: recorder.trips[watch.value]
        for watch in Watch
        if watch is not Watch.EXCHANGE_FAILURE and core.state.settings.breakers.rule(watch) is not None
    }


def latency_ms(paper: PaperConfig) -> dict[str, float]:
    """The line's latencies; benchmarks that fill at the same close have none."""
    latency = {"feed": paper.feed_ns, "entry": paper.entry_ns, "response": paper.response_ns}
    instant = paper.fill_model is FillModel.SAME_CLOSE
    return {name: 0.0 if instant else ns / 1e6 for name, ns in latency.items()}


def _total(accounts: Iterable[AccountResult], field: str) -> Decimal:
    return sum((getattr(account, field) for account in accounts), start=ZERO)


def _exposure(recorder: Recorder, name: str, span: Span, end_ns: int) -> float:
    present = recorder.presence.get(name)
    return present.share(span.first_ns, end_ns) if present is not None else 0.0


def _account(core: Core, name: AccountId, terms: Terms) -> AccountResult:
    account, equity = core.state.accounts[name], core.equity(name)
    return AccountResult(
        id=name,
        currency=account.currency,
        deposit=terms.deposit,
        equity=equity,
        realised=account.realised,
        unrealised=equity - account.cash,
        fees=account.fees,
        funding=account.funding,
    )


def _open_positions(core: Core) -> Iterable[OpenPosition]:
    for slot in core.state.slots.values():
        position = core.state.accounts[slot.account].positions.get(slot.instrument)
        if position is not None and position.qty:
            instrument = core.instruments[slot.instrument]
            yield OpenPosition(
                account=slot.account,
                instrument=slot.instrument,
                strategy=slot.owner,
                qty=Decimal(position.qty) / instrument.qty_scale,
                entry_price=position.entry_price(instrument),
                unrealised=samples.unrealised(core, slot),
            )


def _strategy(driver: Driver, recorder: Recorder, built: Built, span: Span) -> StrategyResult:
    core, spec = driver.core, built.spec
    tested, slots = core.state.strategies[spec.id], core.slots_of(spec.id)
    counted = [(slot, recorder.slots.get((slot.account, slot.instrument))) for slot in slots]
    unrealised = sum((samples.unrealised(core, slot) for slot in slots), start=ZERO)
    earned = samples.earned(tested)
    return StrategyResult(
        id=spec.id,
        kind=spec.kind,
        params=built.code.params.model_dump(),
        source_hash=built.source_hash,
        instruments=spec.instruments,
        accounts=tuple(dict.fromkeys(slot.account for slot in slots)) or (spec.account,),
        orders=sum(driver.placed_in[slot.account, slot.instrument] for slot in slots),
        fills=sum(seen.fills for _, seen in counted if seen is not None),
        realised=tested.realised,
        unrealised=unrealised,
        fees=tested.fees,
        funding=tested.funding,
        pnl=earned + unrealised,
        traded=sum(
            (seen.traded * core.instruments[slot.instrument].unit for slot, seen in counted if seen is not None),
            start=ZERO,
        ),
        trades=sum(trade.strategy == spec.id for trade in recorder.trades),
        exposure=_exposure(recorder, spec.id, span, core.state.ts_ns),
        status=f"{tested.status} {tested.detail}".strip(),
        warmup_bars=built.warmup_bars,
        samples=((span.first_ns, ZERO), *recorder.profits.get(spec.id, ())),
        share=core.share_of(spec.id),
    )


def _source(source: MarketData, recorder: Recorder, terms: Terms) -> SourceResult:
    instrument = source.instrument
    latency = latency_ms(terms.paper[instrument.venue])
    if source.kind is DataKind.L2:
        latency["feed"] = 0.0
    return SourceResult(
        instrument=instrument.id,
        venue=instrument.venue,
        name=source.name,
        kind=source.kind,
        sha256=source.sha256,
        first_ns=source.first_ns,
        last_ns=source.last_ns,
        rows=source.rows,
        interval_ns=source.interval_ns,
        intervals_ns=terms.intervals_ns.get(instrument.id, ()),
        maker_fee=instrument.maker_fee,
        taker_fee=instrument.taker_fee,
        latency_ms=latency,
        notes=source.notes,
        traded_a_day=source.traded_a_day,
        carry=recorder.frictions.carry.get(instrument.id, 0.0),
    )
