"""The live parts on the same tape do what the backtest does: every request, every fill, every cent."""

from itertools import islice

import pytest

from domain.facts import EquitySampled, FillBooked
from domain.market import Mark
from domain.order import Amend, Cancel, Place
from engine.config import load_config
from engine.core.recovery import state_hash
from exchanges.paper.exchange import PaperExchange
from research.backtest import ID, BacktestSettings, StrategyRequest, prepare, run_backtest
from research.compiled import compile_tape
from research.driver import LEAD_NS, Driver
from research.honesty.live import LivePaper, described, every_feed
from research.market_data import FileOptions, MarketData, open_file, simulated
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


def both_ways(data: MarketData, kind: str, params: dict, limit: int | None = None) -> tuple[BackTested, LivePaper]:
    request, settings = StrategyRequest(kind=kind, params=params), BacktestSettings(core=CORE)
    run = prepare(request, data, settings)
    tested = BackTested(
        run.core,
        run.exchange(),
        run.make_code,
        history={ID: run.warm},
        pacing=run.pacing,
    )
    tested.start(max(run.first_ns - LEAD_NS, run.warm[-1].ts_ns if run.warm else 0))
    tested.play(islice(run.tape, limit))
    again = prepare(request, data, settings)
    exchange = again.exchange()
    assert isinstance(exchange, PaperExchange)
    live = LivePaper(
        again.core,
        exchange,
        again.make_code,
        pacing=again.pacing,
        history=again.warm,
    )
    live.run(islice(again.tape, limit), again.first_ns, every_feed(data.instrument.id, again.interval_ns))
    return tested, live


def assert_equal(tested: BackTested, live: LivePaper) -> None:
    assert live.effects == tested.effects
    assert money(live.fills) == money(tested.fills)
    assert [(e.ts_ns, e.equity) for e in live.equity] == [(e.ts_ns, e.equity) for e in tested.equity]
    ours, theirs = live.core.state, tested.core.state
    assert ours.accounts == theirs.accounts
    assert ours.ts_ns == theirs.ts_ns
    assert [len(slot.orders) for slot in ours.slots.values()] == [len(slot.orders) for slot in theirs.slots.values()]


@pytest.mark.parametrize(
    ("kind", "params", "fills"), [("market_maker", MAKER, 50), ("turtle", BREAKS | {"interval_s": 10}, 4)]
)
def test_the_simulated_market_is_traded_the_same_by_the_live_parts(kind, params, fills):
    tested, live = both_ways(simulated(CORE.instruments[0], 7, START_NS, 300 * 10**9), kind, params)
    assert_equal(tested, live)
    assert len(tested.fills) >= fills


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
    tested, live = both_ways(data, kind, params, limit)
    assert_equal(tested, live)
    assert len(tested.effects) > 1
