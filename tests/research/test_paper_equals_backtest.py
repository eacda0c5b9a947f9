"""The live parts on the same tape do what the backtest does: every request, every fill, every cent."""

import random
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import islice
from math import exp
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from domain.facts import EquitySampled, FillBooked
from domain.market import Mark, MarketEvent
from domain.order import Amend, Cancel, Place
from engine.config import load_config
from engine.core.recovery import state_hash
from engine.strategies import registry
from research.backtest import ID, BacktestSettings, StrategyRequest, prepare, run_backtest
from research.compiled import compile_tape
from research.driver import LEAD_NS, Driver
from research.honesty.live import LivePaper, described, every_feed
from research.market_data import FileOptions, MarketData, open_file, simulated
from research.plan import Plan, Tested
from research.prepare import prepare_plan
from tests.engine.strategies.harness import START_NS as POISSON_NS
from tests.engine.strategies.poisson import poisson_events
from tests.needs import recorded_data

CORE = load_config(None).to_settings()
START_NS = 1_760_000_000_000_000_000
MAKER = {"qty": 0.01, "max_position": 0.05, "maker_fee_bps": 0.0, "min_edge_bps": 0.0, "vol_factor": 0.2, "settle_s": 2}
FITTED = {name: value for name, value in MAKER.items() if name != "vol_factor"}
BREAKS = {"style": "take", "entry_bars": 5, "exit_bars": 3, "atr_bars": 5, "take_profit_pct": 0.1}


class BackTested(Driver):
    """The backtest's driver, keeping what `LivePaper` keeps."""

    def __init__(self, *args, **kwargs):
        self.effects, self.fills, self.equity, self.names = [], [], [], {}
        super().__init__(*args, on_facts=self._keep, **kwargs)

    def _keep(self, facts):
        self.fills += [fact for fact in facts if isinstance(fact, FillBooked)]
        self.equity += [fact for fact in facts if isinstance(fact, EquitySampled)]

    def _send(self, intents):
        now_ns = self.core.state.ts_ns
        self.effects += [(now_ns, *described(i, self.names)) for i in intents if isinstance(i, Place | Amend | Cancel)]
        super()._send(intents)


def money(fills):
    return [(f.ts_ns, f.side, f.price, f.qty, f.fee, f.liquidity, f.role, f.realised) for f in fills]


def both_ways(
    tested: Sequence[Tested], sources: Sequence[MarketData], limit: int | None = None
) -> tuple[BackTested, LivePaper]:
    plan, settings = Plan(strategies=tuple(tested)), BacktestSettings(core=CORE)
    run = prepare_plan(plan, sources, settings)
    driver = BackTested(run.core, run.exchange(), run.make_code, history=run.history, pacing=run.pacing)
    driver.start(max(run.first_ns - LEAD_NS, run.warm[-1].ts_ns if run.warm else 0))
    driver.play(islice(run.tape, limit))
    again = prepare_plan(plan, sources, settings)
    live = LivePaper(again.core, again.exchange(), again.make_code, pacing=again.pacing, history=again.history)
    feeds = [
        feed
        for source in sources
        for interval_ns in again.terms.intervals_ns.get(source.instrument.id, (source.interval_ns,))
        for feed in every_feed(source.instrument.id, interval_ns)
    ]
    live.run(islice(again.tape, limit), again.first_ns, feeds)
    return driver, live


def one(kind: str, params: dict[str, Any]) -> list[Tested]:
    return [Tested(id=ID, kind=kind, params=params)]


def assert_equal(tested: BackTested, live: LivePaper) -> None:
    assert live.effects == tested.effects
    assert money(live.fills) == money(tested.fills)
    assert [(e.ts_ns, e.equity) for e in live.equity] == [(e.ts_ns, e.equity) for e in tested.equity]
    ours, theirs = live.core.state, tested.core.state
    assert ours.accounts == theirs.accounts
    assert ours.ts_ns == theirs.ts_ns
    assert [len(slot.orders) for slot in ours.slots.values()] == [len(slot.orders) for slot in theirs.slots.values()]


def simulation(*names: str, seconds: int = 120, seed: int = 7) -> list[MarketData]:
    """A market each, whose prices and funding have nothing to do with each other's noise."""
    return [
        simulated(replace(CORE.instruments[0], id=name), seed + number, START_NS, seconds * 10**9)
        for number, name in enumerate(names)
    ]


def of_its_own(kind: str, names: tuple[str, ...]) -> list[MarketData]:
    """A market in which the kind has something to do: orders that reach into the book, or two fundings apart."""
    markets = simulation(*names)
    if kind == "calibrated_maker":
        return [replace(markets[0], tape=lambda *_: poisson_events(240, 3), first_ns=POISSON_NS)]
    if kind == "funding_arbitrage":
        markets[1] = replace(markets[1], tape=partial(dear, markets[1].tape))
    return markets


def dear(tape: Callable[..., Iterator[MarketEvent]], *given: Any) -> Iterator[MarketEvent]:
    """The same market with a funding that is worth a trade."""
    for event in tape(*given):
        if isinstance(event, Mark):
            event.funding_rate = Decimal("0.01")
        yield event


def bars(folder: Path, *names: str, count: int = 400) -> list[MarketData]:
    """Minute bars that go together and come back to each other, calm and wild by turns."""
    draw, found, apart = random.Random(5), [], dict.fromkeys(names, 0.0)
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    common, closes = 0.0, dict.fromkeys(names, 1_000.0)
    for number in range(count):
        common += draw.gauss(0, 0.004 if number // 25 % 2 else 0.0008)
        for name in names:
            apart[name] += -0.3 * apart[name] + draw.gauss(0, 0.003)
            opened, closed = closes[name], round(1_000 * exp(common + apart[name]), 2)
            most, least = max(opened, closed) + 0.5, min(opened, closed) - 0.5
            rows[name].append((START_NS + number * 60 * 10**9, opened, most, least, closed, 50.0))
            closes[name] = closed
    for name in names:
        path = folder / f"{name}.csv"
        lines = [",".join(map(str, row)) for row in rows[name]]
        path.write_text("\n".join(["ts_ns,open,high,low,close,volume", *lines]))
        found.append(open_file(path, FileOptions(instrument=name, fees=CORE.instruments[0])))
    return found


BTC, ETH, SOL = "BTC-USDC-PERP.PAPER", "ETH-USDC-PERP.PAPER", "SOL-USDC-PERP.PAPER"
THERE = "BTC-USDT-PERP.BINANCE"
FREE = {"max_age_ms": 5_000, "naked_cap_usd": 1_000.0, "max_position_usd": 4_000.0}
ON_BARS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "turtle": (BREAKS | {"interval_s": 120, "max_units": 3}, (BTC,)),
    "ema_cross": ({"interval_s": 60}, (BTC,)),
    "consolidation": ({"interval_s": 60, "window": 5, "tight_pct": 1.0, "pause_bars": 1}, (BTC,)),
    "nadaraya_watson": ({"interval_s": 60, "bandwidth": 2.0, "rsi_bars": 3, "stochastic_bars": 4}, (BTC,)),
    "mean_reversion": ({"interval_s": 60, "bars": 8, "k": 1.2, "regime_bars": 20, "max_open": 2}, (BTC, ETH, SOL)),
    "lead_lag": ({"interval_s": 60, "level_bars": 4, "max_open": 2, "stop_pct": 0.5}, (ETH, BTC, SOL)),
    "pairs": ({"interval_s": 60, "window": 40, "min_half_life": 0.0, "entry_z": 1.2, "cost_factor": 0.5}, (BTC, THERE)),
}
ON_TICKS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "market_maker": (MAKER, (BTC,)),
    "calibrated_maker": (FITTED | {"min_arrivals": 20}, (BTC,)),
    "arbitrage": (FREE | {"min_edge_pct": 0.05}, (BTC, THERE)),
    "funding_arbitrage": (FREE | {"hold_h": 720.0, "min_gain_pct": 0.0, "turn_s": 5.0}, (BTC, THERE)),
    "two_leg": ({"qty": 0.1, "naked_cap": 0.05, "enter_bps": 2.0}, (BTC, THERE)),
}


def test_every_kind_that_people_are_offered_is_in_the_table_above():
    assert sorted([*ON_BARS, *ON_TICKS]) == sorted(registry.kinds(None))


@pytest.mark.parametrize("kind", [*ON_BARS, *ON_TICKS])
def test_the_live_parts_trade_the_tape_as_the_backtest_does(kind, tmp_path):
    params, names = {**ON_BARS, **ON_TICKS}[kind]
    tested, live = both_ways(one(kind, params), bars(tmp_path, *names) if kind in ON_BARS else of_its_own(kind, names))
    assert_equal(tested, live)
    assert len(tested.fills) >= 2


def test_strategies_that_trade_side_by_side_at_two_venues_do_so_live():
    tested = [
        Tested(id="maker", kind="market_maker", params=MAKER, instruments=(ETH,)),
        Tested(id="trend", kind="turtle", params=BREAKS | {"interval_s": 10}, instruments=(THERE,)),
        Tested(id="gap", kind="arbitrage", params=ON_TICKS["arbitrage"][0], instruments=(BTC, THERE)),
    ]
    run, live = both_ways(tested, simulation(BTC, THERE, ETH))
    assert_equal(run, live)
    assert {fill.owner for fill in run.fills} == {"maker", "trend", "gap"}


def test_a_compiled_replay_is_the_run_event_by_event():
    data = simulated(CORE.instruments[0], 7, START_NS, 300 * 10**9)
    request, settings = StrategyRequest(kind="market_maker", params=MAKER), BacktestSettings(core=CORE)
    runs = []
    for is_compiled in (False, True):
        run = prepare(request, data, settings)
        driver = BackTested(run.core, run.exchange(), run.make_code, pacing=run.pacing)
        driver.start(run.first_ns - LEAD_NS)
        tape = (event for event in run.tape if not isinstance(event, Mark))
        if is_compiled and run.pacing is not None:
            driver.replay(compile_tape(data.instrument.id, tape, run.pacing))
        else:
            driver.play(tape)
        runs.append(driver)
    assert len(runs[0].fills) > 50
    assert runs[0].effects == runs[1].effects
    assert money(runs[0].fills) == money(runs[1].fills)
    assert state_hash(runs[0].core.state) == state_hash(runs[1].core.state)


@pytest.mark.real_data
@pytest.mark.timeout(240)
def test_a_recorded_tape_is_the_same_compiled():
    data = open_file(recorded_data("l2", "usdm_btcusdt_20240808.gz"), FileOptions(fees=CORE.instruments[0]))
    request, settings = StrategyRequest(kind="market_maker", params=MAKER), BacktestSettings(core=CORE)
    run = prepare(request, data, settings)
    plain = BackTested(run.core, run.exchange(), run.make_code, pacing=run.pacing)
    plain.start(run.first_ns - LEAD_NS)
    plain.play(run.tape)
    assert state_hash(plain.core.state) == run_backtest(request, data, settings).result.state_hash


@pytest.mark.real_data
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("name", "kind", "params", "limit"),
    [
        ("candles/BTC_USDT_PERP-5m.parquet", "turtle", BREAKS, 4_000),
        ("candles/XRP_ETH-trades.parquet", "turtle", BREAKS | {"interval_s": 60}, 400),
        ("l2/usdm_btcusdt_20240808.gz", "market_maker", MAKER, None),
        ("l2/usdm_btcusdt_20240808.gz", "calibrated_maker", FITTED, 9_000),
        ("l2/hyperliquid_btcusd_20250126.gz", "market_maker", MAKER | {"feed": "book"}, None),
    ],
)
def test_recorded_tapes_are_traded_the_same_by_the_live_parts(name, kind, params, limit):
    data = open_file(recorded_data(*name.split("/")), FileOptions(fees=CORE.instruments[0]))
    tested, live = both_ways(one(kind, params), [data], limit)
    assert_equal(tested, live)
    assert len(tested.effects) > 1
