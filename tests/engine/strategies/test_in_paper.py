"""Strategies on the paper exchange: the promises they make, checked after every event of a run."""

import math
import random
from decimal import Decimal
from itertools import takewhile
from typing import Any, NamedTuple

import pytest

from domain.account import Position
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Feed, FeedKind
from domain.order import Role
from domain.settings import AccountSpec, ApprovalSettings, Limits, RiskSettings, Settings, StrategySpec
from engine.core.core import Core
from engine.core.journal.memory import MemoryJournal
from engine.core.recovery import recover, replay, state_hash
from engine.core.state import State
from engine.data.synthetic import SyntheticMarket
from engine.strategies import registry
from exchanges.paper.config import PaperConfig
from exchanges.paper.exchange import PaperExchange
from research.driver import Driver
from tests.engine.strategies.harness import BTC, ETH, SECOND_NS, START_NS
from tests.engine.strategies.poisson import poisson_events

PAPER = "PAPER:main"
SOL = "SOL-USDC-PERP.PAPER"


def listed(name: str) -> Instrument:
    """A contract of the paper venue."""
    return Instrument(
        id=name,
        venue_symbol=name[:3],
        price_decimals=1 if name == BTC else 3,
        qty_decimals=5,
        maker_fee=Decimal("0.00015"),
        taker_fee=Decimal("0.00045"),
    )


LIMITS = Limits(max_position_notional=Decimal(1_000_000), max_order_notional=Decimal(1_000_000))


class Run:
    """One strategy through seconds of the synthetic market; iterate over its moments."""

    def __init__(self, kind: str, seed: int, names: tuple[str, ...] = (BTC,), **params):
        spec = StrategySpec(id="it", kind=kind, account=PAPER, instruments=names, params=params)
        contracts = tuple([listed(name) for name in names])
        settings = Settings(
            instruments=contracts,
            accounts=(AccountSpec(id=PAPER, deposit=Decimal(100_000)),),
            risk=RiskSettings(default_limits=LIMITS),
            approvals=ApprovalSettings(enabled=False),
            strategies=(spec,),
        )
        self.journal = MemoryJournal()
        exchange = PaperExchange(contracts, {PAPER: Decimal(100_000)}, PaperConfig())
        self.driver = Driver(settings, exchange, registry.build, journal=self.journal)
        self.market = SyntheticMarket(contracts, seed, START_NS)
        self.feeds = [Feed(kind=kind, instrument=name) for name in names for kind in (FeedKind.BBO, FeedKind.TRADE)]
        self.feeds += [feed for feed in registry.build(spec).feeds() if feed.kind is FeedKind.BAR]

    def moments(self, seconds: int, events=None):
        end_ns = START_NS + seconds * SECOND_NS
        for event in takewhile(lambda e: e.ts_ns < end_ns, events or self.market.events(self.feeds, START_NS)):
            self.driver.run([event])
            yield self.driver.core.position(PAPER, BTC)

    def guarded(self, name: str = BTC) -> int:
        """Quantity of the stops at the venue, an amendment on its way included."""
        slots = [slot for slot in self.driver.core.state.slots.values() if slot.instrument == name]
        return sum(o.leaves for slot in slots for o in slot.orders.values() if o.role is Role.STOP)

    @property
    def state(self):
        return self.driver.core.state.strategies["it"]

    @property
    def booked(self) -> Position:
        return self.driver.core.state.accounts[PAPER].positions[BTC]


@pytest.mark.parametrize(
    "params", [{"exit_bars": 2, "max_units": 4, "take_profit_pct": 0.0}, {"take_profit_pct": 0.05}]
)
def test_a_turtle_never_holds_a_position_without_a_stop_as_large(params):
    run = Run("turtle", 5, interval_s=10, entry_bars=5, atr_bars=10, style="take", **params)
    entries, most_units = set(), 0
    for position in run.moments(600):
        if position:
            assert run.guarded() >= abs(position)
            idea = run.state.memory.idea
            assert idea is not None
            entries.add(idea.entry)
            most_units = max(most_units, idea.units)
    assert len(entries) >= 3
    assert most_units == 1 or params.get("max_units")
    assert run.state.detail == ""


BRACKETS: dict[str, dict[str, Any]] = {
    "consolidation": {"window": 4, "stop_pct": 0.05, "take_profit_pct": 0.03, "pause_bars": 1, "tight_pct": 2},
    "nadaraya_watson": {"bandwidth": 1, "rsi_bars": 3, "stochastic_bars": 3, "stop_pct": 0.04},
    "lead_lag": {"level_bars": 3, "max_open": 2, "min_lag_pct": 0, "stop_pct": 0.02, "take_profit_pct": 0.02},
    "mean_reversion": {"bars": 4, "k": 1.2, "stop_pct": 0.05, "take_profit_pct": 0.03, "regime_bars": 6}
    | {"regime_lag": 2, "max_open": 2},
}


class Seen(NamedTuple):
    """A finished run: what was held in it, the most at once, and by how much a stop ever fell short."""

    run: Run
    traded: set[str]
    entries: set[str]
    most: int
    unguarded: int


@pytest.fixture(scope="module", params=BRACKETS)
def seen(request) -> Seen:
    kind = request.param
    names = (ETH, BTC, SOL) if kind in ("lead_lag", "mean_reversion") else (BTC,)
    run = Run(kind, 5, names, interval_s=10, **BRACKETS[kind])
    core, traded, entries, most, unguarded = run.driver.core, set(), set(), 0, 0
    for moment, _ in enumerate(run.moments(1200 // len(names))):
        held = [name for name in names if core.position(PAPER, name)]
        most = max(most, len(held))
        for name in held:
            unguarded = max(unguarded, abs(core.position(PAPER, name)) - run.guarded(name))
            traded.add(name)
            entries.add(core.slot(PAPER, name).entry)
        if moment == 1000:
            run.driver.kernel.snapshot()
    return Seen(run, traded, entries, most, unguarded)


def test_a_bracket_never_holds_a_position_without_a_stop_as_large(seen):
    spec = seen.run.state.spec
    assert seen.unguarded == 0
    assert seen.most <= spec.params.get("max_open", 1)
    assert len(seen.entries) >= 3
    assert seen.traded == set(spec.instruments[1:] if spec.kind == "lead_lag" else spec.instruments)
    assert seen.run.state.detail == ""


def test_a_replay_decides_the_same_and_so_does_a_recovery_from_a_snapshot_in_the_middle(seen):
    journal, state = seen.run.journal, seen.run.driver.core.state

    def with_code(fresh: State) -> Core:
        core = Core(fresh)
        core.make_code = registry.build
        return core

    replayed = with_code(State())
    replay(journal.records(), replayed)  # compares every decision
    assert state_hash(replayed.state) == state_hash(state)
    recovered, how = recover(journal, with_code, "backtest")
    assert 0 < how.snapshot_seq < state.seq
    assert state_hash(recovered.state) == state_hash(state)
    ours, theirs = recovered.state.strategies["it"], state.strategies["it"]
    assert (ours.memory, ours.desired) == (theirs.memory, theirs.desired)


def test_a_market_maker_stays_within_its_cap_and_is_filled():
    run = Run(
        "market_maker", 3, qty=0.01, max_position=0.02, tolerance_bps=3.0, min_edge_bps=0.2, vol_factor=0.5, levels=2
    )
    largest, sides = 0, set()
    for position in run.moments(600):
        largest = max(largest, abs(position))
        sides.add((position > 0) - (position < 0))
    assert 0 < largest <= 2000
    assert sides == {-1, 0, 1}
    assert run.booked.fees > 0


@pytest.mark.parametrize(("model", "gamma"), [("glft", 1.0), ("avellaneda_stoikov", 0.1)])
def test_a_calibrated_maker_finds_the_market_it_is_in_and_stays_within_its_cap(model, gamma):
    run = Run(
        "calibrated_maker",
        3,
        model=model,
        qty=0.01,
        max_position=0.03,
        maker_fee_bps=0.0,
        min_edge_bps=0.0,
        tolerance_bps=0.0,
        reach_bps=5.0,
        gamma=gamma,
        session_s=60.0,
        max_range_bps=200.0,
        max_loss_bps=0.0,
        levels=2,
    )
    held = []
    for position in run.moments(120, poisson_events(120, 5)):
        held.append(position)
        assert run.state.desired.quotes == () or not run.state.memory.because
    fit = run.state.memory.fit
    assert abs(fit.k - 5.0) < 3 * fit.k_error, "0.5 per tick of 0.1"
    assert (min(held) < 0 < max(held), max(map(abs, held)) <= 3_000) == (True, True)
    assert run.state.detail == ""


def pair_events(seconds: int, seed: int, names: tuple[str, str]):
    """Touches and bars of ten seconds of two prices whose logs stay on a line."""
    draw, x, e = random.Random(seed), 0.0, 0.0
    for step in range(1, seconds // 10):
        x, e = x + draw.gauss(0, 0.002), 0.6 * e + draw.gauss(0, 0.001)
        at_ns = START_NS + step * 10 * SECOND_NS
        prices = [round(100_000 * math.exp(0.8 * x + e)), round(2_000_000 * math.exp(x))]
        for name, price in zip(names, prices, strict=True):
            yield Bbo(ts_ns=at_ns - 1, instrument=name, bid=price - 1, bid_qty=20_000, ask=price + 1, ask_qty=20_000)
        for name, price in zip(names, prices, strict=True):
            bar = {"open_ts_ns": at_ns - 10 * SECOND_NS, "interval_ns": 10 * SECOND_NS, "volume": 1_000}
            yield Bar(ts_ns=at_ns, instrument=name, open=price, high=price, low=price, close=price, **bar)


@pytest.mark.parametrize("hedge", ["rolling", "kalman"])
def test_a_pair_is_never_bare_by_more_than_its_cap(hedge):
    names = (BTC, ETH)
    params = {"window": 100, "naked_usd": 300.0, "cost_factor": 0.0, "kalman_delta": 1e-7, "significance_pct": 10}
    run = Run("pairs", 5, names, interval_s=10, hedge=hedge, **params)
    core, entries, flats = run.driver.core, set(), 0
    for lead in run.moments(6000, pair_events(6000, 3, names)):
        idea, hedged = run.state.memory.idea, core.position(PAPER, ETH)
        if lead and idea is not None and not idea.closing:
            entries.add(idea.entry)
            assert abs(lead + hedged / idea.per_lead) / 10**5 <= idea.naked + 2e-5
            assert lead * idea.side > 0 >= lead * hedged
        flats += not lead and not hedged
    assert len(entries) >= 3
    assert flats > 100
    assert run.state.detail == ""
