"""The runs that a strategy is checked by are backtests."""

import pickle

import pytest
from msgspec.msgpack import decode
from msgspec.structs import replace

from domain.errors import StrategyError
from domain.market import MarketEvent
from domain.strategy import Wake
from engine.config import load_config
from exchanges.paper.config import PaperConfig
from research.backtest import BacktestSettings, run_plan
from research.honesty.case import Case
from research.honesty.check import check_strategy
from research.honesty.state import question_of
from research.market_data import FileOptions, open_file
from research.plan import Plan, Tested
from tests.research.optimise.room import write_bars


def test_the_plain_run_is_the_backtest_with_its_slippage(tmp_path):
    source = open_file(write_bars(tmp_path / "BTC_USDT-5m.parquet", 300), FileOptions())
    plan = Plan(strategies=(Tested(id="a", kind="ema_cross", params={"fast": 3, "slow": 9}),))
    case = Case(plan, (source,), BacktestSettings(core=load_config(None).to_settings()))
    plain, alone = case.plain(), run_plan(plan, (source,), case.settings).result
    assert plain.result == replace(alone, provenance=plain.result.provenance)
    assert alone.slippage is not None
    assert len(plain.fills) == alone.fills > 0


def test_a_venue_with_a_line_of_its_own_is_followed_and_asked_about_by_that_line(tmp_path):
    source = open_file(write_bars(tmp_path / "BTC_USDT-5m.parquet", 300), FileOptions())
    plan = Plan(strategies=(Tested(id="a", kind="ema_cross", params={"fast": 3, "slow": 9}),))
    slow = {"PAPER": PaperConfig(feed_ns=70_000_000)}
    case = Case(plan, (source,), BacktestSettings(core=load_config(None).to_settings(), paper_of=slow))
    seen = [event.ts_ns for event in case.tape()]
    woken = [each.ts_ns for each in case.plain().trace.decisions if each.wake == Wake.BAR]
    assert woken
    assert set(woken) <= set(seen)
    _, ((_, packed),), _ = pickle.loads(question_of(case))
    assert [event.ts_ns for event in decode(packed, type=list[MarketEvent])] == seen


def test_a_plan_that_comes_to_several_strategies_is_refused_by_their_names(tmp_path):
    source = open_file(write_bars(tmp_path / "BTC_USDT-5m.parquet", 100), FileOptions())
    plan = Plan(strategies=(Tested(id="a", kind="ema_cross"), Tested(id="b", kind="ema_cross")))
    with pytest.raises(StrategyError, match="one strategy is checked at a time; the plan comes to 2: a, b"):
        check_strategy(plan, (source,), BacktestSettings(core=load_config(None).to_settings()))
