"""Slippage and the funding of a holder, on runs whose prices are known by hand."""

from decimal import Decimal

import pytest

from engine.config import load_config
from exchanges.paper.config import FillModel, PaperConfig
from research.backtest import BacktestSettings, StrategyRequest, run_backtest
from research.bench import backtests, market
from research.driver import LEAD_NS
from research.frictions import KEPT, Frictions
from research.market_data import FileOptions, open_file
from tests.research.report.made import FIRST_NS, ran

MINUTE_NS = 60_000_000_000
START_NS = FIRST_NS // MINUTE_NS * MINUTE_NS


def bars(folder, opens, volume=1.5):
    """Minutes that close ten above their open and open where `opens` says."""
    path = folder / "BTC_USDC-1m.csv"
    lines = [f"{START_NS + n * MINUTE_NS},{o},{o + 12},{o - 2},{o + 10},{volume}" for n, o in enumerate(opens)]
    path.write_text("\n".join(["ts_ns,open,high,low,close,volume", *lines]) + "\n")
    return path


def run(path, *, funding=None, fill_model=FillModel.NEXT_OPEN):
    core = load_config(None).to_settings()
    params = {"style": "take", "entry_bars": 5, "exit_bars": 3, "atr_bars": 5, "take_profit_pct": 0.0}
    options = FileOptions(fees=core.instruments[0], funding=funding)
    settings = BacktestSettings(core=core, paper=PaperConfig(fill_model=fill_model))
    return run_backtest(StrategyRequest(kind="turtle", params=params), open_file(path, options), settings).result


def test_takers_slip_by_what_the_price_moved_between_the_decision_and_the_fill(tmp_path):
    """It decides on a close and fills at the next open, five above it: five of slippage for each unit bought."""
    result = run(bars(tmp_path, [50_000 + 15 * n for n in range(60)]))
    held = result.open_positions[0].qty
    assert result.slipped_fills == result.fills == 1
    assert result.slippage == held * 5
    instant = run(bars(tmp_path, [50_000 + 15 * n for n in range(60)]), fill_model=FillModel.SAME_CLOSE)
    assert instant.slippage == 0


def test_a_run_that_took_nothing_has_no_slippage(tmp_path):
    result = run(bars(tmp_path, [50_000] * 60))
    assert (result.fills, result.slippage, result.slipped_fills) == (0, None, 0)


def test_a_market_trades_what_its_bars_say_and_a_holder_pays_what_the_rates_say(tmp_path):
    funding = tmp_path / "funding.csv"
    rates = "".join(f"{START_NS + n * 60 * MINUTE_NS},0.0001\n" for n in range(3))
    funding.write_text("ts_ns,funding_rate\n" + rates)
    result = run(bars(tmp_path, [50_000] * 180), funding=funding)
    (source,) = result.sources
    assert source.traded_a_day == pytest.approx(1.5 * 50_010 * 1440)
    hours = (result.samples[-1][0] - result.samples[1][0]) / (60 * MINUTE_NS)
    assert source.carry == pytest.approx(-0.0001 * hours, rel=0.01)
    assert run(bars(tmp_path, [50_000] * 60, volume=0)).sources[0].traded_a_day is None


def test_a_real_run_knows_its_frictions():
    result = ran()
    assert result.slippage is not None
    assert 0 < result.slipped_fills <= result.fills
    assert abs(result.slippage) < Decimal(1000)


def test_ten_thousand_orders_that_are_over_take_no_more_room_than_four_thousand(tmp_path):
    case = backtests.CASES["orders_alt"]
    driver = backtests.make_driver(case.kind, case.params, case=case)
    frictions = Frictions(driver.core)
    driver.on_sent = frictions.sent
    driver.start(market.START_NS - LEAD_NS)
    driver.play(backtests.tape(case.data, 10_000, tmp_path))
    assert driver.placed == 10_000
    assert len(frictions.decided) <= KEPT + 1
