"""Several strategies, instruments and venues in one backtest: one core, one account a venue, and parts that add up."""

import csv
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from domain.errors import DataError, StrategyError
from engine.config import load_config
from engine.data.importers import Stamp
from research.backtest import BacktestSettings, StrategyRequest, run_backtest, run_plan, run_prepared
from research.driver import Driver
from research.market_data import FileOptions, MarketData, open_file, simulated
from research.plan import Plan, Tested
from research.prepare import prepare_plan
from research.result import Approver, Result

CORE = load_config(None).to_settings()
INSTRUMENT = CORE.instruments[1]
SETTINGS = BacktestSettings(core=CORE)
MINUTE_NS = 60_000_000_000
START_NS = 1_760_000_040_000_000_000
BREAKS = {"style": "take", "entry_bars": 5, "exit_bars": 3, "atr_bars": 5, "take_profit_pct": 0.0}
BTC, ETH, SOL = "BTC-USDC-PERP.PAPER", "ETH-USDC-PERP.PAPER", "SOL-USDT-PERP.BINANCE"


def saw_tooth(folder: Path, instrument: str, *, bars: int = 240, first: int = 0, half: int = 20) -> MarketData:
    """Minute bars that break out of every range; `first` is the number of the minute they begin with."""
    path = folder / f"{instrument}-{first}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ts_ns", "open", "high", "low", "close", "volume"])
        price = 5_000
        for n in range(first, first + bars):
            close = price + (4 if n // half % 2 else -4) + n % 3
            writer.writerow([START_NS + n * MINUTE_NS, price, max(price, close) + 1, min(price, close) - 1, close, 1.5])
            price = close
    return open_file(path, FileOptions(instrument=instrument, fees=CORE.instruments[0]))


def trend(name: str, instrument: str, **params: object) -> Tested:
    return Tested(id=name, kind="turtle", params=BREAKS | params, instruments=(instrument,))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Result:
    """Four strategies: two venues, two on one instrument, two bar intervals."""
    folder = tmp_path_factory.mktemp("mixed")
    sources = [saw_tooth(folder, BTC), saw_tooth(folder, ETH, half=15), saw_tooth(folder, SOL, half=30)]
    strategies = (
        trend("btc", BTC),
        trend("eth", ETH),
        trend("slow", BTC, interval_s=300, atr_bars=2),
        trend("sol", SOL),
    )
    return run_plan(Plan(strategies=strategies), sources, SETTINGS).result


def test_a_venue_has_one_account_and_who_shares_an_instrument_gets_another(mixed):
    accounts = {each.id: each.accounts for each in mixed.strategies}
    assert accounts == {
        "btc": ("PAPER:main",),
        "eth": ("PAPER:main",),
        "slow": ("PAPER:slow",),
        "sol": ("BINANCE:main",),
    }
    assert mixed.deposit == 3 * SETTINGS.deposit
    assert mixed.currency == "USD"


def test_every_strategy_trades_and_the_parts_are_the_whole(mixed):
    assert all(each.fills and each.status == "running" for each in mixed.strategies)
    for name in ("realised", "unrealised", "fees", "funding", "orders", "fills", "traded"):
        assert sum(getattr(each, name) for each in mixed.strategies) == getattr(mixed, name), name
    assert sum(each.pnl for each in mixed.strategies) == mixed.pnl
    assert sum(account.equity for account in mixed.accounts) == mixed.equity
    for account in mixed.accounts:
        books = account.deposit + account.realised + account.unrealised - account.fees + account.funding
        assert account.equity == books
    last = {each.id: each.samples[-1][1] for each in mixed.strategies}
    assert last == {each.id: each.pnl for each in mixed.strategies}
    assert len(mixed.trades) == sum(each.trades for each in mixed.strategies)


def test_samples_of_everything_are_of_the_same_times(mixed):
    times = [ts_ns for ts_ns, _ in mixed.samples]
    assert times == [ts_ns for ts_ns, _ in mixed.gross] == [ts_ns for ts_ns, _ in mixed.net]
    assert all([ts_ns for ts_ns, _ in each.samples] == times for each in mixed.strategies)
    for at, (_, equity) in enumerate(mixed.samples):
        assert equity == mixed.deposit + sum(each.samples[at][1] for each in mixed.strategies)
    assert set(mixed.prices) == {BTC, ETH, SOL}
    assert all(set(dict(prices)) <= set(times) for prices in mixed.prices.values())
    assert max(amount for _, amount in mixed.gross) > 0


def test_trades_say_whose_they_are_and_at_what_prices(mixed):
    for trade in mixed.trades:
        assert (trade.strategy, trade.instrument) in {("btc", BTC), ("eth", ETH), ("slow", BTC), ("sol", SOL)}
        gross = float(trade.pnl + trade.fees)
        assert trade.side * (trade.exit_price - trade.entry_price) * gross >= 0


def test_a_strategy_alone_on_its_venue_does_what_it_does_alone(mixed, tmp_path):
    plan = Plan(strategies=(trend("sol", SOL),), start_ns=mixed.first_ns)
    alone = run_plan(plan, [saw_tooth(tmp_path, SOL, half=30)], SETTINGS).result
    (beside,) = [each for each in mixed.strategies if each.id == "sol"]
    assert alone.fills == beside.fills
    assert [t.pnl for t in alone.trades] == [t.pnl for t in mixed.trades if t.strategy == "sol"]


def test_a_plan_of_one_is_the_plain_backtest(tmp_path):
    data = saw_tooth(tmp_path, BTC)
    plain = run_backtest(StrategyRequest(kind="turtle", params=BREAKS), data, SETTINGS).result
    planned = run_plan(Plan(strategies=(trend("tested", BTC),)), [data], SETTINGS).result
    assert planned == plain


def test_the_order_of_strategies_is_told_by_the_hash_and_the_same_plan_gives_the_same(tmp_path):
    sources = [saw_tooth(tmp_path, BTC), saw_tooth(tmp_path, ETH)]
    plan = Plan(strategies=(trend("btc", BTC), trend("eth", ETH)))
    first = run_plan(plan, sources, SETTINGS).result
    assert run_plan(plan, sources, SETTINGS).result == first
    other = run_plan(Plan(strategies=plan.strategies[::-1]), sources, SETTINGS).result
    assert other.state_hash != first.state_hash
    assert {e.id: e.pnl for e in other.strategies} == {e.id: e.pnl for e in first.strategies}


def test_bars_before_the_common_time_warm_up_and_the_run_ends_with_the_first_source(tmp_path):
    sources = [saw_tooth(tmp_path, BTC, bars=300), saw_tooth(tmp_path, ETH, first=100, bars=120)]
    plan = Plan(strategies=(trend("btc", BTC), trend("eth", ETH, entry_bars=8)))
    result = run_plan(plan, sources, SETTINGS).result
    begins = START_NS + (100 + result.strategies[1].warmup_bars) * MINUTE_NS
    assert begins < result.first_ns <= begins + 2 * MINUTE_NS
    assert result.last_ns // MINUTE_NS == (START_NS + 220 * MINUTE_NS) // MINUTE_NS
    joined = run_plan(Plan(strategies=plan.strategies, joins=True), sources, SETTINGS).result
    assert joined.last_ns // MINUTE_NS == (START_NS + 300 * MINUTE_NS) // MINUTE_NS


def test_a_span_bounds_the_run_and_what_is_before_it_warms_up(tmp_path):
    plan = Plan(strategies=(trend("btc", BTC),), start_ns=START_NS + 100 * MINUTE_NS, end_ns=START_NS + 200 * MINUTE_NS)
    result = run_plan(plan, [saw_tooth(tmp_path, BTC)], SETTINGS).result
    assert plan.start_ns <= result.first_ns <= plan.start_ns + MINUTE_NS
    assert plan.end_ns <= result.last_ns <= plan.end_ns + SETTINGS.paper.feed_ns
    assert result.warmup_bars == result.strategies[0].warmup_bars


def test_what_does_not_fit_is_refused_in_words(tmp_path):
    btc, late = saw_tooth(tmp_path, BTC), saw_tooth(tmp_path, ETH, first=500)
    one = Plan(strategies=(trend("btc", BTC),))
    with pytest.raises(DataError, match=r"no time in common: BTC.* ends 2025-10-09 12:54:00, ETH.* begins 2025"):
        run_plan(one, [btc, late], SETTINGS)
    with pytest.raises(DataError, match=f"{BTC} comes twice"):
        run_plan(one, [btc, btc], SETTINGS)
    with pytest.raises(DataError, match=r"do not add up: ADA-BTC-PERP\.PAPER in BTC"):
        run_plan(one, [saw_tooth(tmp_path, "ADA-BTC-PERP.PAPER"), btc], SETTINGS)
    with pytest.raises(DataError, match="bars of 60 s do not add up to bars of 90 s"):
        run_plan(Plan(strategies=(trend("btc", BTC, interval_s=90),)), [btc], SETTINGS)
    with pytest.raises(StrategyError, match="strategy b: no source has X; there is BTC"):
        run_plan(Plan(strategies=(trend("b", "X"),)), [btc], SETTINGS)
    with pytest.raises(StrategyError, match="'a' is there twice"):
        run_plan(Plan(strategies=(trend("a", BTC), trend("a", BTC))), [btc], SETTINGS)
    with pytest.raises(StrategyError, match="no strategy to test"):
        run_plan(Plan(strategies=()), [btc], SETTINGS)
    with pytest.raises(DataError, match="no market data to run over"):
        run_plan(one, [], SETTINGS)


def test_provenance_changes_with_data_settings_and_parameters_alone(tmp_path):
    btc = saw_tooth(tmp_path, BTC)
    plan = Plan(strategies=(trend("btc", BTC),))
    first = run_plan(plan, [btc], SETTINGS).result.provenance
    richer = BacktestSettings(core=CORE, deposit=Decimal(5_000))
    others = [
        run_plan(Plan(strategies=(trend("btc", BTC, entry_bars=6),)), [btc], SETTINGS),
        run_plan(plan, [btc], richer),
        run_plan(plan, [saw_tooth(tmp_path, BTC, half=19)], SETTINGS),
    ]
    found = [other.result.provenance for other in others]
    assert len({first.run_id, *(each.run_id for each in found)}) == 4
    assert [each.data_hash == first.data_hash for each in found] == [True, True, False]
    assert [each.settings_hash == first.settings_hash for each in found] == [False, False, True]
    assert len({each.code_hash for each in found} | {first.code_hash}) == 1


def test_round_trips_in_contracts_of_a_hundredth_are_as_large_as_those_in_whole_ones(tmp_path):
    saw_tooth(tmp_path, BTC)
    found = []
    for multiplier in ("1", "0.01"):
        contract = replace(CORE.instruments[0], multiplier=Decimal(multiplier), max_significant=0)
        source = open_file(tmp_path / f"{BTC}-0.csv", FileOptions(instrument=BTC, instruments=(contract,)))
        found.append(run_plan(Plan(strategies=(trend("btc", BTC),)), [source], SETTINGS).result)
    whole, parts = found
    assert parts.open_qty > 50 * whole.open_qty > 0, "it trades a hundred times as many contracts"
    traded = [2 * sum(float(trade.qty) * trade.entry_price for trade in result.trades) for result in found]
    assert traded == pytest.approx([float(whole.traded)] * 2, rel=0.05)


def test_one_file_read_as_stamping_the_other_end_of_its_bars_is_other_data(tmp_path):
    saw_tooth(tmp_path, BTC)
    plan = Plan(strategies=(trend("btc", BTC),))
    opened, closed = (
        open_file(tmp_path / f"{BTC}-0.csv", FileOptions(instrument=BTC, fees=CORE.instruments[0], stamp=stamp))
        for stamp in Stamp
    )
    of_open, of_close = (run_plan(plan, [source], SETTINGS).result for source in (opened, closed))
    assert of_open.state_hash != of_close.state_hash
    assert of_open.provenance.data_hash != of_close.provenance.data_hash
    assert of_open.provenance.run_id != of_close.provenance.run_id


@pytest.mark.parametrize("approver", list(Approver))
def test_a_run_does_not_depend_on_who_is_in_the_team(tmp_path, approver):
    btc, plan = saw_tooth(tmp_path, BTC), Plan(strategies=(trend("btc", BTC),))
    assert CORE.persons
    alone = replace(CORE, persons=CORE.persons[:1])
    results = [run_plan(plan, [btc], BacktestSettings(core=core, approver=approver)).result for core in (CORE, alone)]
    assert results[0] == results[1]
    assert not set(results[0].settings.persons) & set(CORE.persons)


def test_a_strategy_trades_at_two_venues_with_an_account_at_each(tmp_path):
    lead, hedge = "ETH-USDC-PERP.PAPER", "ETH-USDC-PERP.BINANCE"
    sources = [
        simulated(replace(INSTRUMENT, id=name), seed, START_NS, 120 * 10**9) for seed, name in ((7, lead), (8, hedge))
    ]
    legs = Tested(
        id="legs", kind="two_leg", params={"qty": 0.1, "naked_cap": 0.05, "enter_bps": 2.0}, instruments=(lead, hedge)
    )
    result = run_plan(Plan(strategies=(legs,)), sources, SETTINGS).result
    (part,) = result.strategies
    assert part.accounts == ("PAPER:main", "BINANCE:main")
    assert {trade.instrument for trade in result.trades} | {each.instrument for each in result.open_positions} == {
        lead,
        hedge,
    }
    assert part.pnl == result.pnl == sum(account.equity - account.deposit for account in result.accounts)


TWO_FEEDS = '''
"""Reads minutes and five minutes of everything it has, and remembers what it saw."""

from msgspec import Struct

from domain.desired import NOTHING
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy


class Seen(Struct):
    warm: list[tuple[str, int, int]] = []
    live: list[tuple[str, int, int]] = []


class TwoFeeds(Strategy[Seen, Params]):
    kind = "two_feeds"
    params_type = Params
    memory_type = Seen

    def feeds(self):
        return tuple(
            Feed(kind=FeedKind.BAR, instrument=name, interval_ns=seconds * 1_000_000_000)
            for name in self.instruments
            for seconds in (300, 60)
        )

    def warmup(self):
        return 7

    def start(self):
        return Seen([], [])

    def decide(self, memory, view):
        bar = view.bar
        (memory.warm if view.warming else memory.live).append((bar.instrument, bar.interval_ns, bar.ts_ns))
        return memory, NOTHING
'''


def test_bars_of_several_intervals_and_instruments_warm_up_as_live_and_come_in_order(tmp_path):
    (tmp_path / "two_feeds.py").write_text(TWO_FEEDS, encoding="utf-8")
    sources = [saw_tooth(tmp_path, BTC), saw_tooth(tmp_path, ETH, first=3)]
    reads = Tested(id="reads", kind="two_feeds", folder=tmp_path)
    prepared = prepare_plan(Plan(strategies=(reads,)), sources, SETTINGS)
    drivers: list[Driver] = []
    result = run_prepared(prepared, on_driver=drivers.append).result
    seen = drivers[0].core.state.strategies["reads"].memory
    feeds = [(name, seconds * 10**9) for name in (BTC, ETH) for seconds in (60, 300)]
    warm = {feed: [ts for *key, ts in seen.warm if tuple(key) == feed] for feed in feeds}
    live = {feed: [ts for *key, ts in seen.live if tuple(key) == feed] for feed in feeds}
    for (_, interval_ns), times in warm.items():
        assert len(times) == 7
        assert set(np.diff(times)) == {interval_ns}
    for feed, times in live.items():
        assert times[0] - warm[feed][-1] == feed[1]
        assert set(np.diff(times)) == {feed[1]}
    order = [ts for *_, ts in seen.live]
    assert order == sorted(order)
    assert result.sources[0].intervals_ns == (60 * 10**9, 300 * 10**9)
    assert any("bars of 60 s made into bars of 300 s" in note for note in result.notes)


def test_runs_over_other_spans_are_other_runs(tmp_path):
    source = saw_tooth(tmp_path, BTC)
    whole = Plan(strategies=(trend("btc", BTC),))
    spans = (
        whole,
        replace(whole, end_ns=START_NS + 200 * MINUTE_NS),
        replace(whole, start_ns=START_NS + 9 * MINUTE_NS),
    )
    ids = [prepare_plan(plan, [source], SETTINGS).terms.provenance.run_id for plan in spans]
    assert len(set(ids)) == len(spans)
